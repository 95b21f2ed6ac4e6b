"""Changes of training images, drawn point by point, so that a deletion changes no other point's.

Mixup is the exception: it mixes neighbours in a minibatch.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from unlearn.core import seeding
from unlearn.training.data import Data
from unlearn.training.recipe import Recipe


def augmentation(
    recipe: Recipe, data: Data
) -> Callable[[torch.Tensor, np.ndarray, int], torch.Tensor]:
    """augment(pixels N x H x W x C, ids, epoch seed): crops and flips, then blanked squares."""
    moves = recipe.crop or recipe.flip

    def augment(pixels: torch.Tensor, ids: np.ndarray, seed: int) -> torch.Tensor:
        keys = seeding.point_keys(seeding.derive(seed, "augmentation"), ids)
        if moves:
            pixels = _shift(pixels, keys, recipe.crop, recipe.flip)
        if recipe.cutout:
            pixels = _blank_squares(pixels, keys, recipe.cutout, data)
        return pixels

    return augment if moves or recipe.cutout else lambda pixels, ids, seed: pixels


def _shift(pixels: torch.Tensor, keys: np.ndarray, pad: int, flip: bool) -> torch.Tensor:
    count, height, width, _ = pixels.shape
    top = (keys >> np.uint64(8)) % np.uint64(2 * pad + 1)
    left = (keys >> np.uint64(24)) % np.uint64(2 * pad + 1)
    mirrored = (keys & np.uint64(1)).astype(bool) & flip
    rows = top.astype(np.int64)[:, None] + np.arange(height)
    columns = np.where(mirrored[:, None], np.arange(width)[::-1], np.arange(width))
    columns = left.astype(np.int64)[:, None] + columns
    padded = functional.pad(pixels, (0, 0, pad, pad, pad, pad))
    batch = torch.arange(count)[:, None, None]
    picked = (batch, torch.from_numpy(rows)[:, :, None], torch.from_numpy(columns)[:, None, :])
    return padded[tuple(i.to(pixels.device) for i in picked)]


def _blank_squares(pixels: torch.Tensor, keys: np.ndarray, side: int, data: Data) -> torch.Tensor:
    """With a square in the mean colour around a pixel that is drawn; its rim may be outside."""
    _, height, width, _ = pixels.shape
    inside = []
    for shift, size in ((40, height), (52, width)):
        centre = ((keys >> np.uint64(shift)) % np.uint64(size)).astype(np.int64)[:, None]
        distance = np.arange(size) - centre + side // 2
        inside.append(torch.from_numpy((distance >= 0) & (distance < side)).to(pixels.device))
    blank = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    mean = torch.tensor(data.mean, device=pixels.device) * data.levels
    return torch.where(blank, mean.round().to(pixels.dtype), pixels)


def mix(
    images: torch.Tensor, labels: torch.Tensor, alpha: float, classes: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Every image with the next one of its minibatch, and its label as a distribution.

    The share is drawn once for a minibatch, from Beta(alpha, alpha) (Zhang et al. 2018). Where a
    point is gone, its neighbour is mixed with another.
    """
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    soft = functional.one_hot(labels, classes).to(torch.float32)
    return tuple(share * x + (1 - share) * x.roll(1, 0) for x in (images, soft))
