"""Means over the audited models of a value of each, and their paired differences to originals."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from unlearn.metrics.finding import Difference, Finding
from unlearn.metrics.populations import Populations
from unlearn.metrics.significance import sign_flip_test
from unlearn.metrics.statistics import t_interval


def with_difference(
    populations: Populations, finding: Finding, values: Callable[[str], list[float | None]]
) -> Finding:
    """A mean over models, with the paired difference to their originals.

    Args:
        populations: The models.
        finding: The mean.
        values: The value of each model of a group.
    """
    n = populations.size("unlearned")
    if finding.value is None or populations.is_original or populations.size("originals") < n:
        return finding
    originals = values("originals")[:n]
    if n < 2 or None in originals:
        return finding
    differences = np.array(values("unlearned"), float) - np.array(originals, float)
    interval = t_interval(differences)
    p = sign_flip_test(differences)
    difference = Difference(*map(float, interval[:3]), p=1.0 if p is None else float(p))
    return replace(finding, difference=difference)


def mean_finding(values: list[float | bool | None], reason: str) -> Finding:
    """The mean of a value of each model; null with the reason where one has none."""
    if not values or None in values:
        return Finding(None, n=len(values), reason=reason)
    interval = t_interval(np.array(values, float))
    if np.isnan(interval.low):
        return Finding(float(interval.mean), n=interval.n)
    error = float(np.std(values, ddof=1) / np.sqrt(interval.n))
    return Finding(*map(float, interval[:3]), error=error, n=interval.n)
