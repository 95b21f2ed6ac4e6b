"""Random labels for deleted points, and the minibatches of those who train on them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.requests.request import Step
from unlearn.training.minibatches import Batch
from unlearn.training.task import Task


def random_labels(
    labels: np.ndarray, keys: np.ndarray, classes: int, exclude_true: bool
) -> np.ndarray:
    """A uniformly random class for every point, N; `labels` are left as they are.

    Args:
        labels: The true classes, int64, N.
        keys: Uniform uint64, N: the label of a point depends on its own key alone.
        classes: The number of classes, C.
        exclude_true: Whether the true class is left out, where there is another one.
    """
    if not exclude_true or classes == 1:
        return (keys % np.uint64(classes)).astype(np.int64)
    offsets = 1 + (keys % np.uint64(classes - 1)).astype(np.int64)
    return (labels + offsets) % classes


@dataclass(frozen=True)
class PlacedBatch:
    """A minibatch of an epoch with random labels."""

    images: torch.Tensor
    labels: torch.Tensor
    deleted_only: bool
    """Whether all of its points are deleted ones: batch normalisation is to be frozen then."""
    place: int
    """The minibatches of the epoch before it; those that are left out count."""


@dataclass(frozen=True)
class Relabelling:
    """How epochs go over the retain set with true labels, and over deleted points with random ones.

    The retained minibatches are those of fine-tuning.
    """

    order: str
    """`sequential`: a pass over the deleted points before every pass over the retain set; `mixed`:
    both are shuffled."""
    redraw: bool
    """Whether every epoch draws the labels anew."""
    exclude_true: bool
    """Whether a random label is never the true one."""
    batch_size: int | None = None
    """Points of a minibatch; None takes that of the recipe."""

    def places(self, task: Task, request: Step) -> int:
        """The minibatches of an epoch; those that are left out count."""
        size = self.batch_size or task.recipe.batch_size
        return self._deleted_places(request, size) + math.ceil(len(task.cut_ids) / size)

    def minibatches(
        self, task: Task, request: Step, seed: int, epoch: int
    ) -> Iterator[PlacedBatch]:
        """The minibatches of one epoch.

        Args:
            task: Data and recipe. The labels of its data are left as they are.
            request: The step; its deleted points get random labels.
            seed: That of the member.
            epoch: Counts from 0.
        """
        ids = request.deleted_ids
        labels = self._labels(task, ids, seed, epoch)
        size = self.batch_size or task.recipe.batch_size
        trained_ids = request.retain_ids
        first = self._deleted_places(request, size)
        if self.order == "mixed":
            trained_ids = np.union1d(trained_ids, ids)
        else:
            order = seeding.derive(seed, "relabelled points")
            for batch in task.minibatches(ids, order, epoch, batch_size=size, min_points=1):
                yield PlacedBatch(batch.images, _labels_of(batch, labels), True, batch.index)
        for batch in task.fine_tuning_batches(trained_ids, seed, epoch, size):
            yield PlacedBatch(batch.images, _labels_of(batch, labels), False, first + batch.index)

    def _deleted_places(self, request: Step, size: int) -> int:
        """The minibatches that hold deleted points alone."""
        return math.ceil(len(request.deleted_ids) / size) if self.order == "sequential" else 0

    def _labels(self, task: Task, ids: np.ndarray, seed: int, epoch: int) -> torch.Tensor:
        """The labels of all training points, a copy with random ones at `ids`."""
        labels = task.data.train_labels.clone()
        key = seeding.derive(seed, "random labels", epoch if self.redraw else 0)
        keys = seeding.point_keys(key, ids)
        index = torch.as_tensor(ids, device=labels.device)
        true_labels = labels[index].cpu().numpy()
        drawn_labels = random_labels(true_labels, keys, task.data.classes, self.exclude_true)
        labels[index] = torch.from_numpy(drawn_labels).to(labels.device)
        return labels


def _labels_of(batch: Batch, labels: torch.Tensor) -> torch.Tensor:
    """The labels of the points of a minibatch."""
    return labels[torch.as_tensor(batch.ids, device=labels.device)]
