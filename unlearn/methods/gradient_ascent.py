"""Gradient ascent: raise the loss on the forget set."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class GradientAscent(Method):
    """Raise the loss on the forget set: plain SGD on minus the cross-entropy.

    The retain set is not used. Batch normalisation is frozen: statistics over the deleted points
    alone would change the model more than the ascent does.

    Cost:
        `epochs` passes over the deleted points.

    Pitfalls:
        Below a rate nothing happens, just above it the model collapses. The range between moves
        with the size of the request.

    References:
        Graves, Nagisetty, Ganesh, "Amnesiac machine learning", AAAI 2021.
    """

    reads = frozenset({"forget"})
    serves = ("delete",)
    continues = True

    epochs: int = parameter(5, minimum=1, help="Passes over the deleted points.")
    lr: float = parameter(0.001, above=0, search=("log", 1e-5, 1e-1))
    batch_size: int = parameter(64, minimum=1)

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every deleted point and epoch."""
        return self.epochs * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs of ascent; unchanged if nothing is deleted."""
        from unlearn.algorithms.losses import cross_entropy

        model = task.model(original).eval()
        optimizer = task.optimizer(
            model, lr=self.lr, optimizer="sgd", momentum=0.0, weight_decay=0.0
        )
        order = seeding.derive(seed, "gradient ascent")
        for epoch in range(self.epochs):
            for batch in task.minibatches(
                request.deleted_ids, order, epoch, batch_size=self.batch_size, min_points=1
            ):
                optimizer.step(-cross_entropy(model(batch.images), batch.labels))
        return Update(model)
