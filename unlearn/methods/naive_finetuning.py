"""Naive fine-tuning: train on, on the deleted points alone, against their labels."""

import math

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class NaiveFinetuning(Method):
    """Train on, against the labels of the deleted points alone, bounded or not.

    The negative control of influence distillation: its push off the deleted points, without its
    loss on the retained ones. The bound is the loss of a uniform prediction, ln C. Batch
    normalisation is frozen.

    Cost:
        `epochs` passes over the deleted points.

    Pitfalls:
        Without the bound the loss grows without end. A loss above that of the oracle tells an
        attacker as much as one below.
    """

    label = "naive fine-tuning"
    reads = frozenset({"forget"})
    serves = ("delete",)
    continues = True
    conformance_variants = ({"bounded": False},)

    epochs: int = parameter(5, minimum=1, help="Passes over the deleted points.")
    lr: float = parameter(0.001, above=0, search=("log", 1e-5, 1e-1))
    batch_size: int = parameter(128, minimum=1)
    momentum: float = parameter(0.9, minimum=0, below=1)
    bounded: bool = parameter(
        True, help="Whether the loss of a point is raised to that of a uniform prediction only."
    )
    clip: float = parameter(5.0, above=0, help="The largest norm of a gradient.")

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every deleted point and epoch."""
        return self.epochs * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; unchanged if nothing is deleted."""
        from unlearn.algorithms.losses import bounded_ascent

        bound = math.log(task.data.classes) if self.bounded else math.inf
        model = task.model(original).eval()
        optimizer = task.optimizer(
            model,
            lr=self.lr,
            clip=self.clip,
            optimizer="sgd",
            momentum=self.momentum,
            weight_decay=0.0,
        )
        order = seeding.derive(seed, "naive fine-tuning")
        for epoch in range(self.epochs):
            for batch in task.minibatches(
                request.deleted_ids, order, epoch, batch_size=self.batch_size, min_points=1
            ):
                optimizer.step(bounded_ascent(model(batch.images), batch.labels, bound))
        return Update(model)
