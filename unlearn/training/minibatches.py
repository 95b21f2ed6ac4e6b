"""Minibatches: seeded by point, so that a deletion moves no other point.

The order of an epoch is a random order of some points, cut into minibatches; a point that is not
trained on is dropped from its minibatch and nothing else moves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.training.augmentation import Epoch, augmentation
from unlearn.training.data import Data, normalised
from unlearn.training.recipe import Recipe

FETCHED_POINTS = 1024
"""Images normalised at a time: as fast as more, a few megabytes."""


@dataclass(frozen=True)
class Batch:
    """A minibatch of training points."""

    ids: np.ndarray
    images: torch.Tensor
    """float32 N x C x H x W, normalised and augmented."""
    labels: torch.Tensor
    index: int
    """The place of the minibatch in its epoch, from 0; minibatches that are left out count."""


def minibatches(
    data: Data,
    ids: np.ndarray,
    recipe: Recipe,
    epoch: Epoch,
    among: np.ndarray,
    min_points: int = 1,
    limit: int | None = None,
) -> Iterator[Batch]:
    """The minibatches of one epoch.

    Images are fetched and normalised for several minibatches at a time.

    Args:
        data: The data set.
        ids: The points that are trained on.
        recipe: Batch size and augmentation.
        epoch: Decides the order and the augmentation.
        among: The points whose random order is cut into minibatches; `ids` must be part of it.
        min_points: Minibatches with fewer points of `ids` are left out.
        limit: The number of minibatches after which the epoch ends; None is a whole epoch.
    """
    size = recipe.batch_size
    is_trained = np.zeros(len(data.train_labels), dtype=bool)
    is_trained[ids] = True
    if not np.count_nonzero(is_trained) == np.count_nonzero(is_trained[among]) == len(ids):
        raise ValueError("ids: they must be among those that are cut into minibatches, each once")
    if data.fed is not None:
        data.fed[ids] = True
    augment = augmentation(recipe, data)
    stride = size * max(1, FETCHED_POINTS // size)
    order = seeding.shuffled(among, epoch.seed)
    order = order if limit is None else order[: limit * size]
    for start in range(0, len(order), stride):
        block = order[start : start + stride]
        mask = is_trained[block]
        fetched_ids = block[mask]
        sizes = np.add.reduceat(mask, np.arange(0, len(mask), size), dtype=int)
        index = torch.from_numpy(np.ascontiguousarray(fetched_ids, dtype=np.int64))
        index = index.to(data.train_images.device)
        pixels = data.train_images.index_select(0, index)
        images = normalised(augment(pixels, fetched_ids, epoch), data)
        labels = data.train_labels[index]
        ends = np.cumsum(sizes)
        for offset, (end, count) in enumerate(zip(ends, sizes, strict=True)):
            if count >= min_points:
                part = slice(end - count, end)
                yield Batch(fetched_ids[part], images[part], labels[part], start // size + offset)
