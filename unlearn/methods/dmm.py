"""Datamodel matching: regress on the predicted outputs of a model trained without the points."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Dmm(Method):
    """Regress the model on outputs that a datamodel predicts for training without the points.

    The outputs of a retrained model are predicted, not computed: the attribution tau_i of a deleted
    point i to the outputs at x is taken from the model. Every step, by Adam, minimises the distance
    of the model, on all deleted points and a fresh draw of retained ones each epoch, to

        f(x) - sum over deleted i of tau_i(x)
        tau_i(x) = - J(x) P ( P' H P + lambda )^-1 P' g_i

    with the outputs f of the trained model and their gradients J, the gradients g_i of losses, and
    H the sum over the retain set of p (1 - p) times the squared gradients of log-odds. P spans a
    random subspace, as in TRAK. One trained model is attributed to, and batch normalisation frozen.

    Cost:
        One gradient of every retained and deleted point for the attribution, and E (1 + draw) |D_f|
        to match; targets take three forward passes of every matched point. The attribution is
        computed at the request, from the state that the request meets.

    Pitfalls:
        Predictions are no better than the datamodel: too small a damping predicts outputs far from
        any model, too large a one predicts no change. Large groups, such as a class, are far from
        linear. Matching deleted points alone damages the retain set. Added points are not learnt.

    References:
        Georgiev, Rinberg, Park, Garg, Ilyas, Madry, Neel, "Attribute-to-delete: machine unlearning
        via datamodel matching", 2024; Park, Georgiev, Ilyas, Leclerc, Madry, "TRAK: attributing
        model behavior at scale", ICML 2023.
    """

    label = "DMM"
    serves = ("delete",)
    continues = True
    conformance_variants = ({"match": "kl"},)

    width: int = parameter(
        1024, minimum=1, maximum=16384, help="Dimensions of the random subspace of the weights."
    )
    damping: float = parameter(
        2.0,
        above=0,
        search=("log", 0.03, 30.0),
        help="What is added to the curvature, relative to the mean of its diagonal.",
    )
    epochs: int = parameter(
        3, minimum=1, search=("choice", (2, 3, 5, 8)), help="Passes over the deleted points."
    )
    lr: float = parameter(0.001, above=0, search=("log", 1e-4, 1e-2))
    batch_size: int | None = parameter(
        None, minimum=1, help="Points of a minibatch; null takes that of the recipe."
    )
    draw: float = parameter(
        2.0,
        minimum=0,
        search=("choice", (1.0, 2.0, 4.0, 8.0)),
        help="Retained points that are drawn in every epoch, for each deleted one.",
    )
    match: str = parameter(
        "logits",
        choices=("kl", "logits"),
        help="Kullback-Leibler divergence, or squared error of centred logits.",
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every point of the attribution, and every matched point and epoch."""
        matched = min(retained, round(self.draw * deleted)) + deleted
        return retained + deleted + self.epochs * matched

    def unlearn(self, task, original, request, seed):
        """The matched model; unchanged if nothing is deleted."""
        from unlearn.algorithms.datamodel import Attribution
        from unlearn.algorithms.matching import MatchedPoints, match_outputs

        if not len(request.deleted_ids):
            return Update()
        attribution = Attribution(self.width, self.damping, seeding.derive(seed, "attribution"))
        predicted = attribution.without(task, original, request.deleted_ids, request.retain_ids)
        model = task.model(original)
        points = MatchedPoints(request.deleted_ids, request.retain_ids)
        match_outputs(self, task, model, points, predicted, seed)
        return Update(model)
