"""Noise in whole steps of the pixels, as it is stored: rounding within a bound, and sizes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from unlearn.data.source import LEVELS
from unlearn.perturbations import limits
from unlearn.perturbations.limits import NoiseBound

if TYPE_CHECKING:
    from unlearn.training.task import Task

CHUNK_POINTS = 1000
"""Images that are worked on at a time."""

L2_TOLERANCE = 1.03
"""The factor by which rounding may exceed an L2 budget."""

SHRINKAGE = 0.99
"""The factor by which noise shrinks, as often as needed, that rounding takes beyond its budget."""

Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""draw(ids N, labels N): noise in steps of the pixels, float64 N x H x W x C."""


def noise_of_ids(task: "Task", ids: np.ndarray, draw: Draw, bound: NoiseBound) -> np.ndarray:
    """The noise of points, int8 ids x H x W x C, from a function that draws it.

    Args:
        task: The images.
        ids: The points.
        draw: Noise that is a function of each id and its label alone.
        bound: The largest noise.
    """
    data = task.data
    images = data.train_images.cpu().numpy()
    labels = data.train_labels.cpu().numpy()
    noise = np.empty((len(ids), *data.shape), dtype=np.int8)
    starts = range(0, len(ids), CHUNK_POINTS)
    task.progress.begin(len(starts), "chunks of noise")
    for start in starts:
        chunk_ids = ids[start : start + CHUNK_POINTS]
        values = draw(chunk_ids, labels[chunk_ids])
        noise[start : start + CHUNK_POINTS] = rounded(images[chunk_ids], values, bound)
        task.progress.advance(len(chunk_ids))
    return noise


def scaled(noise: np.ndarray, budget: float) -> np.ndarray:
    """Noise whose L2 norm on each image is `budget`, the range of a pixel being 1.

    Args:
        noise: N x H x W x C, no image of zeros.
        budget: The norm.

    Returns:
        In steps of the pixels, float64 N x H x W x C.
    """
    rows = np.ascontiguousarray(noise.reshape(len(noise), -1), dtype=np.float64)
    norms = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return (budget * LEVELS * rows / norms).reshape(noise.shape)


def rounded(images: np.ndarray, noise: np.ndarray, bound: NoiseBound) -> np.ndarray:
    """Noise in whole steps within its bound, so that noisy images are whole numbers in their range.

    Noise of an L2 budget that is longer than L2_TOLERANCE allows, after rounding, is made a little
    smaller until it fits.

    Args:
        images: uint8 N x H x W x C.
        noise: Of the same shape, in steps of the pixels.
        bound: The largest noise.

    Returns:
        int8 N x H x W x C.
    """
    x = images.astype(np.int16)
    radius = limits.MAX_NOISE
    if bound.norm == "linf":
        radius = limits.whole_steps(bound.budget * LEVELS)
    steps = _whole(x, noise, radius)
    if bound.norm == "linf":
        return steps
    noise = noise.copy()
    while (is_excess := l2_norms(steps) > L2_TOLERANCE * bound.budget).any():
        noise[is_excess] *= SHRINKAGE
        steps[is_excess] = _whole(x[is_excess], noise[is_excess], radius)
    return steps


def _whole(x: np.ndarray, noise: np.ndarray, radius: int) -> np.ndarray:
    """round(x + noise) - x inside the range of pixels and the radius, int8."""
    sums = np.clip(np.rint(x + noise), 0, LEVELS).astype(np.int16)
    return np.clip(sums - x, -radius, radius).astype(np.int8)


def l2_norms(noise: np.ndarray) -> np.ndarray:
    """The L2 norm of int8 noise on each image, N; the range of a pixel is 1."""
    norms = np.empty(len(noise))
    for start in range(0, len(noise), CHUNK_POINTS):
        rows = noise[start : start + CHUNK_POINTS].reshape(-1, noise[0].size).astype(np.int64)
        norms[start : start + CHUNK_POINTS] = np.sqrt((rows * rows).sum(axis=1)) / LEVELS
    return norms


def largest_step(noise: np.ndarray) -> int:
    """The largest size of int8 noise at a pixel, in steps."""
    return max(int(noise.max(initial=0)), -int(noise.min(initial=0)))


def size(noise: np.ndarray) -> dict[str, float | int]:
    """The size of int8 noise, N x H x W x C.

    Returns:
        `largest`, the largest change of a pixel of 255; `mean_l2`, the mean L2 norm on an image,
        the range of a pixel being 1; `rms`, the root of the mean squared change of a pixel of 255.
    """
    norms = l2_norms(noise)
    mean_square = float((norms**2).mean()) / noise[0].size
    return {
        "largest": largest_step(noise),
        "mean_l2": float(norms.mean()),
        "rms": LEVELS * mean_square**0.5,
    }
