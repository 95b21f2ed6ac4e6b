"""Distances between the weights of two models."""

from collections.abc import Mapping, Sequence

import numpy as np


def l2(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], names: Sequence[str]
) -> float | None:
    """Euclidean distance over the tensors `names`, in float64.

    None if `names` is empty, or unless both models have all of them in the same shapes: weights of
    different architectures cannot be compared.
    """
    if not names or any(name not in first or name not in second for name in names):
        return None
    square = 0.0
    for name in names:
        a = np.asarray(first[name], np.float64)
        b = np.asarray(second[name], np.float64)
        if a.shape != b.shape:
            return None
        square += float(np.square(a - b).sum())
    return float(np.sqrt(square))


def relative(distance: float | None, reference: float | None) -> float | None:
    """distance / reference: 0 is the oracle, 1 no better than doing nothing; None for 0 / 0."""
    if distance is None or not reference:
        return None
    return distance / reference
