"""Changes of training images, drawn point by point, so that a deletion changes no other point's.

Mixup is the exception: it mixes neighbours in a minibatch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from unlearn.core import seeding
from unlearn.training.data import Data
from unlearn.training.recipe import ALTERNATING, Recipe
from unlearn.training.strong_augmentation import strong


@dataclass(frozen=True)
class Epoch:
    """A pass over some points."""

    training_seed: int
    """That of all epochs of a training."""
    index: int
    """Counts from 0."""

    @property
    def seed(self) -> int:
        """Decides the order of the points, crops and random flips."""
        return seeding.derive(self.training_seed, "epoch", self.index)

    def is_mirrored(self, ids: np.ndarray) -> np.ndarray:
        """Whether alternating flips mirror each point in this epoch, bool."""
        keys = seeding.point_keys(seeding.derive(self.training_seed, "alternating flips"), ids)
        return ((keys + np.uint64(self.index)) & np.uint64(1)).astype(bool)


def augmentation(
    recipe: Recipe, data: Data
) -> Callable[[torch.Tensor, np.ndarray, Epoch | int], torch.Tensor]:
    """augment(pixels N x H x W x C, ids, epoch): crops and flips, strong, then blanked squares.

    The seed of an epoch serves where flips do not alternate.
    """
    moves = recipe.crop or recipe.flip

    def augment(pixels: torch.Tensor, ids: np.ndarray, epoch: Epoch | int) -> torch.Tensor:
        seed = epoch if isinstance(epoch, int) else epoch.seed
        keys = seeding.point_keys(seeding.derive(seed, "augmentation"), ids)
        if moves:
            is_mirrored = (keys & np.uint64(1)).astype(bool) & bool(recipe.flip)
            if recipe.flip == ALTERNATING:
                is_mirrored = epoch.is_mirrored(ids)
            pixels = _shift(pixels, keys, recipe.crop, is_mirrored)
        if recipe.strong:
            pixels = strong(pixels, ids, seed, data.levels)
        if recipe.cutout:
            pixels = _blank_squares(pixels, keys, recipe.cutout, data)
        return pixels

    is_needed = moves or recipe.strong or recipe.cutout
    return augment if is_needed else lambda pixels, ids, epoch: pixels


def _shift(
    pixels: torch.Tensor, keys: np.ndarray, pad: int, is_mirrored: np.ndarray
) -> torch.Tensor:
    """Random crops of images padded by `pad` pixels, some of them mirrored.

    Args:
        pixels: N x H x W x C.
        keys: Uniform uint64, one an image: they decide about the crops.
        pad: The largest shift in pixels.
        is_mirrored: Bool, one an image.
    """
    count, height, width, _ = pixels.shape
    top_shift = (keys >> np.uint64(8)) % np.uint64(2 * pad + 1)
    left_shift = (keys >> np.uint64(24)) % np.uint64(2 * pad + 1)
    rows = top_shift.astype(np.int64)[:, None] + np.arange(height)
    columns = np.where(is_mirrored[:, None], np.arange(width)[::-1], np.arange(width))
    columns = left_shift.astype(np.int64)[:, None] + columns
    padded = functional.pad(pixels, (0, 0, pad, pad, pad, pad))
    batch = torch.arange(count)[:, None, None]
    index = (batch, torch.from_numpy(rows)[:, :, None], torch.from_numpy(columns)[:, None, :])
    return padded[tuple(i.to(pixels.device) for i in index)]


def _blank_squares(pixels: torch.Tensor, keys: np.ndarray, side: int, data: Data) -> torch.Tensor:
    """Images with a square in the mean colour around a random pixel; its rim may lie outside.

    Args:
        pixels: N x H x W x C.
        keys: Uniform uint64, one an image: they decide.
        side: Pixels of a side of the square.
        data: Has the mean colour.
    """
    _, height, width, _ = pixels.shape
    is_inside = []
    for shift, size in ((40, height), (52, width)):
        centre = ((keys >> np.uint64(shift)) % np.uint64(size)).astype(np.int64)[:, None]
        distance = np.arange(size) - centre + side // 2
        is_inside.append(torch.from_numpy((distance >= 0) & (distance < side)).to(pixels.device))
    is_blank = is_inside[0][:, :, None, None] & is_inside[1][:, None, :, None]
    mean = torch.tensor(data.mean, device=pixels.device) * data.levels
    return torch.where(is_blank, mean.round().to(pixels.dtype), pixels)


def mix(
    images: torch.Tensor, labels: torch.Tensor, alpha: float, classes: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixtures of every image with the next one of its minibatch, and of their labels.

    Args:
        images: N x C x H x W.
        labels: N.
        alpha: The share is drawn once for a minibatch, from Beta(alpha, alpha).
        classes: The number of classes.
        seed: Decides the share.

    Returns:
        The images, and the labels as distributions, N x classes.

    References:
        Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.
    """
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    soft = functional.one_hot(labels, classes).to(torch.float32)
    return tuple(share * x + (1 - share) * x.roll(1, 0) for x in (images, soft))
