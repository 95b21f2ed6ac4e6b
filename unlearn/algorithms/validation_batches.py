"""Minibatches of the validation split."""

from collections.abc import Iterator

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.training.data import normalised
from unlearn.training.task import Task


def validation_batches(task: Task, seed: int, epoch: int) -> Iterator[torch.Tensor]:
    """The normalised images of the validation split in minibatches of the recipe's size.

    Images are as they are, without augmentation. A last minibatch of one point is left out where
    the architecture normalises batches.

    Args:
        task: Of a method that declares to read the validation split; ValueError for others.
        seed: Decides the order, together with `epoch`.
        epoch: Counts from 0.
    """
    pixels = task.data.validation_images
    rows = np.arange(len(pixels))
    order = torch.from_numpy(seeding.shuffled(rows, seeding.derive(seed, "epoch", epoch)))
    min_points = 2 if task.normalises_batches else 1
    for index in order.split(task.recipe.batch_size):
        if len(index) >= min_points:
            yield normalised(pixels[index.to(pixels.device)], task.data)
