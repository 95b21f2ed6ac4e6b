"""Tests of paired differences, their correction for many, and what n pairs can detect."""

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import nct

from unlearn.metrics.statistics import MeanInterval, t_interval

MAX_EXACT_PAIRS = 12
"""Pairs up to which every assignment of signs is enumerated: 4,096 of them."""

ROUNDING_SHARE = 1e-9
"""Share of the sum of differences by which two sums may differ and still count as equal."""

BISECTIONS = 60
"""Halvings of the interval that holds the detectable effect."""


def sign_flip_test(differences: np.ndarray) -> float | None:
    """The two-sided p value of paired differences whose mean is 0 under the hypothesis.

    Up to 12 pairs it is exact: the share of all assignments of signs whose mean is at least as
    far from 0. More pairs get the paired t test.

    Args:
        differences: one difference for each pair; what is not finite does not count.

    Returns:
        The p value; None for fewer than two pairs. Differences that are all 0 have a p value of 1.

    References:
        Fisher, The design of experiments, 1935, section 21.
    """
    values = np.asarray(differences, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        return None
    if not values.any():
        return 1.0
    if n <= MAX_EXACT_PAIRS:
        sums = np.abs(_sign_matrix(n) @ values)
        tolerance = ROUNDING_SHARE * np.abs(values).sum()
        return float(np.mean(sums >= abs(values.sum()) - tolerance))
    deviation = values.std(ddof=1)
    if deviation == 0:
        return 0.0
    statistic = abs(values.mean()) / (deviation / np.sqrt(n))
    return float(2 * stdtr(n - 1, -statistic))


@cache
def _sign_matrix(n: int) -> np.ndarray:
    """Every assignment of n signs, 2^n x n."""
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values, adjusted so that the probability of any false alarm keeps its level.

    None stays None and does not count.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted: list[float | None] = [None] * len(p_values)
    places = [place for place, p in enumerate(p_values) if p is not None]
    places.sort(key=lambda place: p_values[place])
    largest = 0.0
    for rank, place in enumerate(places):
        largest = max(largest, min(1.0, (len(places) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def smallest_p(n: int) -> float | None:
    """The smallest p value that the exact sign-flip test of n pairs can have; None for n < 2."""
    return 2.0 ** (1 - n) if n >= 2 else None


def minimum_detectable_effect(n: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The mean that the paired t test finds with a probability, in standard deviations.

    Args:
        n: the number of pairs.
        alpha: the two-sided level of the test.
        power: the probability of finding the effect.

    Returns:
        The effect, in standard deviations of the paired difference; None for n < 2.
    """
    if n < 2:
        return None
    quantile = stdtrit(n - 1, 1 - alpha / 2)
    low = 0.0
    high = 2 * (quantile + stdtrit(n - 1, power)) / np.sqrt(n)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_found = nct.sf(quantile, n - 1, middle * np.sqrt(n)) >= power
        low, high = (low, middle) if is_found else (middle, high)
    return float(high)


def pairwise_interval(values: np.ndarray) -> MeanInterval:
    """The mean over pairs of models and its 95 % interval, from the mean of each model's pairs.

    Pairs share models, so the values depend on each other. The standard error is that of the
    jackknife over models: 2 (n - 1) / (n - 2) times that of independent values.

    Args:
        values: for each of n models the mean of its distances to the others.

    Returns:
        The mean and its interval; no interval for fewer than three models.

    References:
        Arvesen, Jackknifing U-statistics, Annals of Mathematical Statistics 40, 1969.
    """
    interval = t_interval(np.asarray(values, dtype=float))
    mean, _, high, n = interval
    if n < 3:
        return interval._replace(low=np.nan, high=np.nan)
    half_width = 2 * (n - 1) / (n - 2) * (high - mean)
    return MeanInterval(mean, mean - half_width, mean + half_width, n)
