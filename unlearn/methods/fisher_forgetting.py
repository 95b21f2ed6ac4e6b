"""Fisher forgetting: noise where the retain set does not miss it."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class FisherForgetting(Method):
    """Add noise to the weights, much where predictions on the retain set depend little on them.

    Nothing is trained. F is the diagonal of the Fisher matrix over the retain set: squared
    gradients of every label, weighed by its predicted probability. Every weight changes once:

        w <- w + noise,    noise ~ N(0, alpha min(1 / (F + 1e-8), cap))

    The cap is 1,000, and 100 for the last linear layer. Variances are means over the input
    channels of a filter or row, and ten times larger for the last linear layer and for batch
    normalisation, whose statistics are frozen.

    Cost:
        One gradient for every retained point and class, C |D_r|: about as slow as retraining.

    Pitfalls:
        Below some `alpha` nothing happens, just above it the model is ruined, and there may be no
        useful value between. The deleted points are not read, so the noise is aimed at none.
        Published versions also zero the last layer's row of a deleted class. That lowers the
        accuracy on the class without forgetting it, and is left out.

    References:
        Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net", CVPR 2020.
    """

    label = "Fisher forgetting"
    reads = frozenset({"retain"})
    serves = ("delete",)
    continues = True
    neutral = (({"alpha": 0.0}, "original", {}),)

    alpha: float = parameter(
        1e-5, minimum=0, search=("log", 1e-8, 1e-2), help="The scale of the variance of the noise."
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """None is counted: one for every retained point and class, and classes are not known."""

    def unlearn(self, task, original, request, seed):
        """The trained model with noise on its weights; unchanged if nothing is deleted."""
        from unlearn.algorithms.fisher_noise import add_noise, variances
        from unlearn.algorithms.importance import expected_squared_gradients

        if not len(request.deleted_ids) or not self.alpha:
            return Update()
        model = task.bare_model(original).eval()
        information = expected_squared_gradients(task, model, request.retain_ids)
        scales = variances(model, information)
        add_noise(model, scales, self.alpha, seeding.derive(seed, "fisher noise"))
        return Update(model)
