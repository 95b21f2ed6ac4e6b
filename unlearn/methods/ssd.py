"""Selective synaptic dampening: shrink the weights that matter to the forget set."""

from unlearn.methods.base import Method, Update, parameter


class Ssd(Method):
    """Shrink the weights that matter much more to the forget set than to all points.

    Nothing is trained. With the mean squared gradients I over the training set and I_f over the
    deleted points, every weight changes once:

        w <- w min(lambda I / I_f, 1)    where I_f > alpha I;    w <- w    elsewhere

    Gradients are those of the cross-entropy of single points, each squared by itself. So the result
    does not depend on minibatches, and alpha has one meaning. Batch normalisation is frozen.

    Cost:
        One gradient for every training point before the request, and one more for every deleted
        point: |D| + |D_f|. The former could be stored when the model is trained; here it is charged
        to the request.

    Pitfalls:
        The useful values of `alpha` form a narrow window that depends on network and request. Above
        the window no weight is chosen and the method does nothing; below it the model is ruined. A
        random subset matters to the same weights as all points: then hardly any value is useful.
        Published values are for squared gradients of minibatch means and do not carry over.

    References:
        Foster, Schoepf, Brintrup, "Fast machine unlearning without retraining through selective
        synaptic dampening", AAAI 2024.
    """

    label = "SSD"
    reads = frozenset({"forget", "retain"})
    serves = ("delete",)
    continues = True
    deterministic = True
    neutral = (({"alpha": 1e30}, "original", {}),)

    alpha: float = parameter(
        4.0,
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
        from unlearn.algorithms.importance import dampen, squared_gradients

        if not len(request.deleted_ids):
            return Update()
        model = task.bare_model(original).eval()
        overall = squared_gradients(task, model, request.previous_ids)
        forget = squared_gradients(task, model, request.deleted_ids)
        dampen(model, overall, forget, self.alpha, self.dampening)
        return Update(model)
