"""Bootstrap intervals of a mean over models and draws.

The resampled units are models, or models and draws, never single values. A resample is a vector of
counts of the units. The intervals are BCa: corrected for bias and skewness. A bootstrap of few
units is too narrow; so its normal quantile is widened until the interval of symmetric values has
the half-width of the t interval.

References:
    Efron, Better bootstrap confidence intervals, 1987.
    Owen, The pigeonhole bootstrap, 2007.
    Hesterberg, What teachers should know about the bootstrap, 2015.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

RESAMPLES = 10_000
"""The number of bootstrap resamples."""

SEED = 0
"""Seed of the resamples: the same values have the same interval."""


class Interval(NamedTuple):
    """The ends of a two-sided interval."""

    low: float
    high: float


@lru_cache(maxsize=8)
def unit_counts(units: int, seed: int = SEED) -> np.ndarray:
    """How often each unit occurs in each resample of `units` units, `RESAMPLES` x units, float64.

    The array is read-only, since all intervals over as many units share it.
    """
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(units, np.full(units, 1 / units), size=RESAMPLES)
    counts = counts.astype(np.float64)
    counts.flags.writeable = False
    return counts


def model_bootstrap(values: np.ndarray, half_width: float) -> Interval:
    """The BCa interval of the mean of independent models.

    Args:
        values: one value for each of K models.
        half_width: The half-width of their t interval.
    """
    means = unit_counts(len(values)) @ values / len(values)
    return bca_interval(means, values.mean(), [_leverage(values)], half_width)


def crossed_bootstrap(values: np.ndarray, half_width: float) -> Interval:
    """The BCa interval of the mean where every model meets every draw.

    A resample draws models and draws independently of each other. Values of single pairs then vary
    twice, so the interval errs on the wide side.

    Args:
        values: K x D, of K models and D draws, NaN where there is none; every model and draw has a
            value.
        half_width: The half-width of `statistics.crossed_interval`.
    """
    models, draws = values.shape
    has_value = ~np.isnan(values)
    model_counts = unit_counts(models)
    draw_counts = unit_counts(draws, seed=SEED + 1)
    sums = draw_counts @ np.where(has_value, values, 0).T
    weights = draw_counts @ has_value.T.astype(np.float64)
    has_draw = weights > 0
    model_means = sums / np.maximum(weights, 1)
    model_counts = model_counts * has_draw
    totals = model_counts.sum(axis=1)
    means = (model_counts * model_means).sum(axis=1)[totals > 0] / totals[totals > 0]
    row_means = np.nanmean(values, axis=1)
    leverages = [_leverage(row_means), _leverage(np.nanmean(values, axis=0))]
    return bca_interval(means, row_means.mean(), leverages, half_width)


def bca_interval(
    resample_means: np.ndarray, mean: float, leverages: list[np.ndarray], half_width: float
) -> Interval:
    """The interval between two quantiles of the resamples, corrected for bias and skewness.

    Args:
        resample_means: The statistic of each resample.
        mean: The statistic of the data.
        leverages: For each independent sample, what each unit adds to the statistic.
        half_width: The half-width that the interval should have if the resamples are normal.

    Returns:
        The ends; both are the mean where nothing varies.
    """
    spread = resample_means.std()
    if spread <= 1e-12 * max(abs(mean), 1e-300):
        return Interval(float(mean), float(mean))
    quantile = half_width / spread
    share_below = np.mean(resample_means < mean) + np.mean(resample_means == mean) / 2
    bias = ndtri(np.clip(share_below, 1 / len(resample_means), 1 - 1 / len(resample_means)))
    cubes = sum(float((leverage**3).sum()) for leverage in leverages)
    squares = sum(float((leverage**2).sum()) for leverage in leverages)
    acceleration = cubes / (6 * squares**1.5)
    shifts = bias + np.array([-quantile, quantile])
    probabilities = ndtr(bias + shifts / np.maximum(1 - acceleration * shifts, 1e-3))
    low, high = np.quantile(resample_means, probabilities)
    return Interval(float(low), float(high))


def _leverage(unit_means: np.ndarray) -> np.ndarray:
    """What each unit of one sample adds to the mean of their means."""
    return (unit_means - unit_means.mean()) / len(unit_means)
