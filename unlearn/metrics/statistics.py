"""Means over independent models and their confidence intervals."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

UPPER_PROBABILITY = 0.975
"""The t quantile at the upper end of a two-sided 95 % interval."""


class MeanInterval(NamedTuple):
    """A mean over `n` values and the ends of its interval; NaN where there is none."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: np.ndarray) -> MeanInterval:
    """The mean of the finite values and its 95 % t interval; no interval of a single value."""
    finite_values = values[np.isfinite(values)]
    n = len(finite_values)
    if n == 0:
        return MeanInterval(np.nan, np.nan, np.nan, 0)
    mean = finite_values.mean()
    if n == 1:
        return MeanInterval(mean, np.nan, np.nan, 1)
    half_width = stdtrit(n - 1, UPPER_PROBABILITY) * finite_values.std(ddof=1) / np.sqrt(n)
    return MeanInterval(mean, mean - half_width, mean + half_width, n)
