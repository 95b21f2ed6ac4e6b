"""Intervals of statistics of populations, over the models that they are computed from."""

from collections.abc import Callable

import numpy as np
from scipy.special import stdtrit

from unlearn.metrics.finding import Finding
from unlearn.metrics.statistics import UPPER_PROBABILITY

GROUPS = 10
"""Groups of models that are left out one after the other."""


def jackknife_finding(
    statistic: Callable[..., float | None],
    *fleets: np.ndarray,
    groups: int = GROUPS,
    minimum: float = -np.inf,
    maximum: float = np.inf,
) -> Finding:
    """A statistic of independent fleets, with its 95 % interval over models.

    Each fleet is cut into groups; the statistic without a group, for each group in turn, gives the
    variance that the models of this fleet cause. The variances of the fleets add up. The interval
    is that of Student's t with one degree of freedom less than there are groups.

    Args:
        statistic: Of one array a fleet; None where it has no value.
        *fleets: Arrays whose first axis is the models, at least two each.
        groups: Groups of a fleet; a smaller fleet has as many groups as models.
        minimum: No value is below; the interval ends there.
        maximum: No value is above.

    Returns:
        The finding; `n` is the size of the smallest fleet.

    References:
        Wolter, Introduction to variance estimation, 2007, chapter 4.
    """
    n = min(map(len, fleets))
    value = statistic(*fleets)
    if value is None:
        return Finding(None, n=n, reason="the statistic has no value")
    if n < 2:
        return Finding(float(value), n=n)
    variance = 0.0
    for position, fleet in enumerate(fleets):
        count = min(groups, len(fleet))
        replicates = [
            statistic(*fleets[:position], part, *fleets[position + 1 :])
            for part in _parts(fleet, count)
        ]
        if None in replicates:
            return Finding(float(value), n=n)
        deviations = np.array(replicates) - np.mean(replicates)
        variance += (count - 1) / count * float(np.square(deviations).sum())
    half_width = stdtrit(min(groups, n) - 1, UPPER_PROBABILITY) * np.sqrt(variance)
    low = max(value - half_width, minimum)
    high = min(value + half_width, maximum)
    return Finding(float(value), float(low), float(high), n)


def _parts(fleet: np.ndarray, count: int) -> list[np.ndarray]:
    """The fleet without each of its groups: model k belongs to group k modulo `count`."""
    group_of_model = np.arange(len(fleet)) % count
    return [fleet[group_of_model != group] for group in range(count)]
