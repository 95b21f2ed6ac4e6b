"""Fine-tuning by steps: minibatches of retained points with their places in a schedule."""

import math
from collections.abc import Iterator

import numpy as np

from unlearn.algorithms.losses import cross_entropy
from unlearn.training.minibatches import Batch
from unlearn.training.optimizers import Optimizer
from unlearn.training.task import Task


def steps_per_epoch(task: Task) -> int:
    """The minibatches of an epoch of `Task.fine_tuning_batches`, those left out included."""
    return math.ceil(len(task.cut_ids) / task.recipe.batch_size)


def fine_tuning_steps(
    task: Task, retain_ids: np.ndarray, seed: int, steps: int
) -> Iterator[tuple[int, Batch]]:
    """The first minibatches of fine-tuning, over as many epochs as they take, with their places.

    Args:
        task: Data and recipe.
        retain_ids: The points that are left.
        seed: That of the member.
        steps: The places that are taken; a minibatch that is left out keeps its place.
    """
    per_epoch = steps_per_epoch(task)
    for epoch in range(math.ceil(steps / per_epoch)):
        for batch in task.fine_tuning_batches(retain_ids, seed, epoch):
            step = epoch * per_epoch + batch.index
            if step < steps:
                yield step, batch


def train_epoch(
    task: Task, optimizer: Optimizer, retain_ids: np.ndarray, seed: int, epoch: int
) -> None:
    """Descend on the cross-entropy of each minibatch of an epoch of fine-tuning."""
    for batch in task.fine_tuning_batches(retain_ids, seed, epoch):
        logits = optimizer.model(batch.images)
        optimizer.step(cross_entropy(logits, batch.labels, task.recipe.label_smoothing))
