"""Label-free selective synaptic dampening: SSD by the sensitivity of outputs."""

from unlearn.methods.base import Method, Update, parameter


class Lfssd(Method):
    """Shrink the weights that the outputs on the forget set depend on, without any label.

    Nothing is trained. J over the training set and J_f over the deleted points are means of the
    absolute gradient of a point's squared logits |z(x)|^2. Every weight changes once:

        w <- w min(lambda J / J_f, 1)    where J_f > alpha J;    w <- w    elsewhere

    Batch normalisation is frozen.

    Cost:
        One gradient for every training point before the request, and one more for every deleted
        point: |D| + |D_f|. The former could be stored when the model is trained; here it is charged
        to the request.

    Pitfalls:
        As those of SSD: below a narrow window of `alpha` the model is ruined, above it the method
        does nothing. Absolute gradients spread less than squared ones, so `alpha` is smaller.

    References:
        Foster, Schoepf, Brintrup, "Loss-free machine unlearning", ICLR 2024, Tiny Papers.
    """

    label = "LFSSD"
    reads = frozenset({"forget", "retain"})
    serves = ("delete",)
    continues = True
    deterministic = True
    neutral = (({"alpha": 1e30}, "original", {}),)

    alpha: float = parameter(
        3.0,
        minimum=0,
        search=("log", 1.0, 30.0),
        help="How many times more a weight must matter to the forget set than to all points.",
    )
    dampening: float = parameter(
        1.0,
        above=0,
        search=("log", 0.1, 2.0),
        help="lambda, the factor of what is left of a weight; no weight grows.",
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every point of the training set, and one more for every deleted one."""
        return retained + 2 * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model with smaller weights; unchanged if nothing is deleted."""
        from unlearn.algorithms.importance import dampen, output_sensitivity

        if not len(request.deleted_ids):
            return Update()
        model = task.bare_model(original).eval()
        overall = output_sensitivity(task, model, request.previous_ids)
        forget = output_sensitivity(task, model, request.deleted_ids)
        dampen(model, overall, forget, self.alpha, self.dampening)
        return Update(model)
