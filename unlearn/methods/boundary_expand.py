"""Boundary expanding: give the deleted points to a new class, then drop the class."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class BoundaryExpand(Method):
    """Train the deleted points to be of a class that there is not, then drop that class.

    The last layer gets one more row, for the new class C + 1. Every step minimises, over the
    deleted points alone,

        CE(x, C + 1)

    and the row is dropped at the end. Batch normalisation is frozen: its statistics over deleted
    points alone would change the model more than the training does.

    Cost:
        `epochs` passes over the deleted points. The retain set is not used.

    Pitfalls:
        With the row kept, the accuracy on the deleted points falls for free and nothing need be
        forgotten; so it is dropped. What is left may still tell the true class. Between rates that
        do nothing and rates that ruin the model lies little.

    References:
        Chen, Gao, Liu, Peng, Wang, "Boundary unlearning", CVPR 2023.
    """

    label = "boundary expanding"
    reads = frozenset({"forget"})
    serves = ("delete",)
    continues = True

    epochs: int = parameter(3, minimum=1, help="Passes over the deleted points.")
    lr: float = parameter(0.0003, above=0, search=("log", 1e-5, 1e-2))
    batch_size: int = parameter(64, minimum=1)

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every deleted point and epoch."""
        return self.epochs * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; unchanged if nothing is deleted.

        ValueError for a network that does not end in a linear layer.
        """
        import torch

        from unlearn.algorithms.decision_boundary import narrow_head, widen_head
        from unlearn.algorithms.losses import cross_entropy

        ids = request.deleted_ids
        if not len(ids):
            return Update()
        classes = task.data.classes
        model = task.model(original).eval()
        head = widen_head(model, classes, seeding.derive(seed, "new class"))
        optimizer = task.optimizer(model, lr=self.lr)
        order = seeding.derive(seed, "boundary")
        for epoch in range(self.epochs):
            for batch in task.minibatches(
                ids, order, epoch, batch_size=self.batch_size, min_points=1
            ):
                labels = torch.full_like(batch.labels, classes)
                optimizer.step(cross_entropy(model(batch.images), labels))
        narrow_head(model, head, classes)
        return Update(model)
