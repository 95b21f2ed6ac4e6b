"""Statistics of batch normalisation alone: a control that changes no weight."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class BnOnly(Method):
    """Estimate the statistics of batch normalisation again, and change no weight.

    A control for networks with batch normalisation: a method that trains on moves these statistics
    too, and that alone can look like forgetting. A method must beat it. The new statistics are the
    means over one pass of minibatches, augmented as in training, each weighted by its points.

    Cost:
        A forward pass over the chosen points.

    Pitfalls:
        Networks without batch normalisation are refused.
    """

    label = "batch normalisation only"
    changes_weights = False
    continues = True
    is_control = True
    conformance_variants = ({"points": "forget"},)

    points: str = parameter(
        "retain",
        choices=("retain", "forget"),
        help="The points that the statistics are of: the retain set or the forget set.",
    )

    def supports(self, setting):
        """Architectures with batch normalisation."""
        if setting.model is None or setting.model.has_batch_normalisation is not False:
            return None
        name = type(setting.model).__name__
        return f"{name} has no batch normalisation; allowed: architectures with it"

    def gradient_evaluations(self, retained, deleted, recipe):
        """None is needed."""
        return 0

    def unlearn(self, task, original, request, seed):
        """The trained model with new statistics; unchanged where no minibatch has two points.

        ValueError for a network without batch normalisation.
        """
        from unlearn.algorithms.batch_statistics import estimate_again
        from unlearn.models.layers import batch_normalisations

        model = task.model(original)
        if not batch_normalisations(model):
            raise ValueError(f"{type(task.architecture).__name__} has no batch normalisation")
        ids = request.retain_ids if self.points == "retain" else request.forget_ids
        estimate_again(task, model, ids, seeding.derive(seed, "statistics"))
        return Update(model)
