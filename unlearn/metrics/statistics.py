"""Means over independent models and their confidence intervals."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from unlearn.metrics.bootstrap import crossed_bootstrap, model_bootstrap

UPPER_PROBABILITY = 0.975
"""The t quantile at the upper end of a two-sided 95 % interval."""

BOOTSTRAP_MIN_UNITS = 10
"""From so many units the intervals are those of a bootstrap; below they are t intervals."""


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


def crossed_interval(values: np.ndarray) -> MeanInterval:
    """The mean over models and draws of a request, and its 95 % interval.

    Models and draws are two crossed samples: every model meets every draw. The variance of the mean
    is the sum of two: that of the means of models, and that of the means of draws. What varies from
    pair to pair counts in both, so the interval errs on the wide side. Its degrees of freedom are
    those of Satterthwaite.

    Args:
        values: K x D, of K models and D draws; what is not finite does not count.

    Returns:
        The mean, where every model counts the same; `n` is the number of models with a value.
        With one draw this is `t_interval`; with one model there is no interval.

    References:
        Satterthwaite, An approximate distribution of estimates of variance components, 1946.
    """
    finite_values = np.where(np.isfinite(values), values, np.nan)
    has_value = ~np.isnan(finite_values)
    finite_values = finite_values[has_value.any(axis=1)][:, has_value.any(axis=0)]
    if not finite_values.size:
        return MeanInterval(np.nan, np.nan, np.nan, 0)
    model_means = np.nanmean(finite_values, axis=1)
    models, draws = finite_values.shape
    if draws == 1 or models == 1:
        return t_interval(model_means)
    draw_means = np.nanmean(finite_values, axis=0)
    variances = np.array([model_means.var(ddof=1) / models, draw_means.var(ddof=1) / draws])
    mean = model_means.mean()
    variance = variances.sum()
    if variance == 0:
        return MeanInterval(mean, mean, mean, models)
    degrees = variance**2 / (variances**2 / [models - 1, draws - 1]).sum()
    half_width = stdtrit(degrees, UPPER_PROBABILITY) * np.sqrt(variance)
    return MeanInterval(mean, mean - half_width, mean + half_width, models)


def mean_interval(values: np.ndarray) -> MeanInterval:
    """The mean over models and draws that every model meets, and its 95 % interval.

    It is `crossed_interval`, or the BCa bootstrap of `bootstrap.crossed_bootstrap` from
    `BOOTSTRAP_MIN_UNITS` models and as many draws on. With one draw the bootstrap is over models
    alone, and below as many models the interval is `t_interval`. Three draws have ten different
    resamples, so no bootstrap tells how far draws differ.

    Of normal values both intervals hold the mean in 94 to 95 of 100 tables. Of skewed ones (an
    exponential law) the t interval does in 91, the bootstrap in 93, at 10 and at 30 models.

    Two draws are too few where draws differ as much as models: of 20 models the interval then holds
    the mean in 89 of 100 tables. With three draws it does in 92 to 95.

    Args:
        values: K x D, of K models and D draws; what is not finite does not count.

    Returns:
        The mean, where every model counts the same; `n` is the number of models with a value.
        With one model there is no interval.
    """
    interval = crossed_interval(values)
    finite_values = np.where(np.isfinite(values), values, np.nan)
    has_value = ~np.isnan(finite_values)
    finite_values = finite_values[has_value.any(axis=1)][:, has_value.any(axis=0)]
    models, draws = finite_values.shape
    half_width = interval.high - interval.mean
    if models < BOOTSTRAP_MIN_UNITS or 1 < draws < BOOTSTRAP_MIN_UNITS:
        return interval
    if draws == 1:
        low, high = model_bootstrap(finite_values[:, 0], half_width)
    else:
        low, high = crossed_bootstrap(finite_values, half_width)
    return interval._replace(low=low, high=high)
