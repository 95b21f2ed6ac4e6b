"""Intervals of statistics of populations, over the models that they are computed from."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from unlearn.metrics.finding import Difference, Finding
from unlearn.metrics.statistics import UPPER_PROBABILITY

GROUPS = 10
"""Groups of models that are left out one after the other."""

Statistic = Callable[..., float | None]
"""Of one array a fleet, whose first axis is the models; None where it has no value."""


class Estimate(NamedTuple):
    """A value with its standard error over models."""

    value: float
    error: float
    degrees: int
    """Degrees of freedom of the error; 0 where there is none."""


def estimate(statistic: Statistic, *fleets: np.ndarray, groups: int = GROUPS) -> Estimate | None:
    """A statistic of independent fleets, with its standard error.

    Each fleet is cut into groups; the statistic without a group, for each group in turn, gives the
    variance that the models of this fleet cause. The variances of the fleets add up.

    Args:
        statistic: The statistic.
        *fleets: Arrays whose first axis is the models.
        groups: Groups of a fleet; a smaller fleet has as many groups as models.

    Returns:
        None where the statistic has no value. Its degrees of freedom are one less than the groups
        of the smallest fleet.

    References:
        Wolter, Introduction to variance estimation, 2007, chapter 4.
    """
    value = statistic(*fleets)
    if value is None:
        return None
    n = min(map(len, fleets))
    variance = 0.0
    for position, fleet in enumerate(fleets) if n > 1 else ():
        count = min(groups, len(fleet))
        replicates = [
            statistic(*fleets[:position], part, *fleets[position + 1 :])
            for part in _parts(fleet, count)
        ]
        if None in replicates or not np.isfinite(replicates).all():
            return Estimate(float(value), np.nan, 0)
        deviations = np.array(replicates) - np.mean(replicates)
        variance += (count - 1) / count * float(np.square(deviations).sum())
    return Estimate(float(value), float(np.sqrt(variance)), min(groups, n) - 1)


def jackknife_finding(
    statistic: Statistic,
    *fleets: np.ndarray,
    minimum: float = -np.inf,
    maximum: float = np.inf,
    groups: int = GROUPS,
) -> Finding:
    """A statistic of independent fleets, with its 95 % interval over models; see `estimate`.

    Args:
        statistic: The statistic.
        *fleets: Arrays whose first axis is the models.
        minimum: No value is below; the interval ends there.
        maximum: No value is above.
        groups: Groups of a fleet.

    Returns:
        The finding; `n` is the size of the smallest fleet.
    """
    n = min(map(len, fleets))
    result = estimate(statistic, *fleets, groups=groups)
    if result is None:
        return Finding(None, n=n, reason="the statistic has no value")
    if result.degrees < 1:
        return Finding(result.value, n=n)
    half_width = stdtrit(result.degrees, UPPER_PROBABILITY) * result.error
    low = max(result.value - half_width, minimum)
    high = min(result.value + half_width, maximum)
    return Finding(result.value, float(low), float(high), result.error, n)


def jackknife_difference(
    statistic: Statistic, unlearned: np.ndarray, originals: np.ndarray, reference: np.ndarray
) -> Difference | None:
    """What a statistic is for unlearned models, less what it is for their originals.

    Model k of both is left out together, because it is one model before and after.

    Args:
        statistic: Of a fleet and the reference.
        unlearned: N models.
        originals: At least as many, in the same order.
        reference: The oracles that both are compared with.

    Returns:
        The difference with its interval and the p value of Student's t; None without a value or
        without enough originals.
    """
    if len(originals) < len(unlearned):
        return None
    pairs = np.stack([unlearned, originals[: len(unlearned)]], axis=1)

    def difference(models: np.ndarray, oracles: np.ndarray) -> float | None:
        values = [statistic(models[:, side], oracles) for side in (0, 1)]
        return None if None in values else values[0] - values[1]

    result = estimate(difference, pairs, reference)
    return None if result is None else difference_of(result)


def difference_of(result: Estimate) -> Difference | None:
    """An estimated difference with its 95 % interval and p value; None without an error."""
    if result.degrees < 1:
        return None
    half_width = stdtrit(result.degrees, UPPER_PROBABILITY) * result.error
    if result.error > 0:
        p = 2 * stdtr(result.degrees, -abs(result.value) / result.error)
    else:
        p = float(result.value == 0)
    low, high = result.value - half_width, result.value + half_width
    return Difference(result.value, float(low), float(high), float(p))


def _parts(fleet: np.ndarray, count: int) -> list[np.ndarray]:
    """The fleet without each of its groups: model k belongs to group k modulo `count`."""
    group_of_model = np.arange(len(fleet)) % count
    return [fleet[group_of_model != group] for group in range(count)]
