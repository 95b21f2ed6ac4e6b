"""Tests of paired differences, their correction for many, and the effects that they can find."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

EXACT_MAX_PAIRS = 12
"""Up to so many pairs the sign-flip test goes through all sign vectors."""

POWER = 0.8
"""The probability of finding the minimum detectable effect."""

INTEGRATION_NODES = 20_000
"""The number of sample deviations that the power of a test is integrated over."""

BISECTION_STEPS = 60
"""Halvings of the range of effects, which leave an error below 1e-13."""


def paired_p_value(differences: np.ndarray) -> float | None:
    """The two-sided p-value of the hypothesis that paired differences are symmetric about 0.

    Up to `EXACT_MAX_PAIRS` finite differences this is the exact sign-flip test: the share of sign
    vectors whose mean is as far from 0. It is at least 2^(1 - n) for n pairs: .0625 for five. With
    more pairs it is the paired t test. None without a finite difference.

    References:
        Fisher, The design of experiments, 1935.
    """
    finite_differences = differences[np.isfinite(differences)].astype(np.float64)
    n = len(finite_differences)
    if n == 0:
        return None
    if n <= EXACT_MAX_PAIRS:
        return _sign_flip_p_value(finite_differences)
    deviation = finite_differences.std(ddof=1)
    mean = finite_differences.mean()
    if deviation <= 1e-12 * abs(mean) or deviation == 0:
        return 1.0 if mean == 0 else 2.0 ** (1 - n)
    statistic = abs(mean) / (deviation / np.sqrt(n))
    return float(2 * stdtr(n - 1, -statistic))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for a family of tests; reject those at or below the error rate.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below the one
    before it, none exceeds 1. None stays None and does not count in the family.

    Raises:
        ValueError: A p-value is not in 0..1.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    for p_value in p_values:
        if p_value is not None and not 0 <= p_value <= 1:
            raise ValueError(f"p-value: {p_value}; allowed is 0..1 or None")
    family = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    floor = 0.0
    for rank, (p_value, place) in enumerate(family):
        floor = max(floor, min(1.0, (len(family) - rank) * p_value))
        corrected[place] = floor
    return corrected


def minimum_detectable_effect(pairs: int, error_rate: float = 0.05) -> float | None:
    """The mean paired difference that a t test finds with probability `POWER`, in their deviations.

    Args:
        pairs: The number of paired differences.
        error_rate: The two-sided error rate of the test: .05 over the number of tests for the
            first of Holm's.

    Returns:
        The effect in standard deviations of the difference; None for fewer than two pairs.

    Raises:
        ValueError: The error rate is not between 0 and `POWER`.
    """
    if not 0 < error_rate < POWER:
        raise ValueError(f"error_rate: {error_rate}; allowed is between 0 and {POWER}")
    if pairs < 2:
        return None
    low = 0.0
    high = 1.0
    while _power(high, pairs, error_rate) < POWER:
        high *= 2
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        if _power(middle, pairs, error_rate) < POWER:
            low = middle
        else:
            high = middle
    return high


def _power(effect: float, pairs: int, error_rate: float) -> float:
    """The probability that a two-sided paired t test finds the effect.

    The non-central t distribution is integrated over the sample deviation, by the midpoint rule.
    """
    degrees = pairs - 1
    critical_value = stdtrit(degrees, 1 - error_rate / 2)
    noncentrality = effect * np.sqrt(pairs)
    end = 1 + 12 / np.sqrt(2 * degrees)
    deviations = (np.arange(INTEGRATION_NODES) + 0.5) * (end / INTEGRATION_NODES)
    log_density = (degrees - 1) * np.log(deviations) - degrees * deviations**2 / 2
    density = np.exp(log_density - log_density.max())
    tails = ndtr(noncentrality - critical_value * deviations)
    tails += ndtr(-noncentrality - critical_value * deviations)
    return float((density * tails).sum() / density.sum())


def _sign_flip_p_value(differences: np.ndarray) -> float:
    """The share of all sign vectors with a sum as far from 0 as that of the differences."""
    n = len(differences)
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums = np.abs((1 - 2 * bits) @ differences)
    rounding = 1e-12 * np.abs(differences).sum()
    return float(np.mean(sums >= abs(differences.sum()) - rounding))
