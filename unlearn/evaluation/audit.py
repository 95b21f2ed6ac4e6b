"""From the outputs of populations to an audit: rows of metric, split and finding.

Numpy only. An audit asks how far the models that a method has unlearned are from models that never
saw the deleted points. Its floor is the audit of half B of the oracles against half A.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.finding import Finding
from unlearn.metrics.populations import Populations
from unlearn.metrics.ulira import MAX_JACKKNIFE_GROUPS

KNOWN_VALUES = {"ulira_auc": 0.5, "influence": 0.0, "accuracy_shift": 0.0}
"""What two halves of one population read."""

FALSE_ALARMS = 0.001
"""The share of sound populations of oracles that fail their own audit."""


class AuditRow(NamedTuple):
    """One metric of populations on one split."""

    metric: str
    split: str
    finding: Finding


COUNTS = ("failed", "diverged")
"""Numbers of models without outputs that can be compared."""


DIFFERENCES = ("difference", "difference_low", "difference_high", "p")
"""The columns of a paired difference to doing nothing, in the order of `Difference`."""


def problem(populations: Populations, counts: Mapping[str, int]) -> str:
    """Why populations cannot be audited; empty if they can.

    A population without its failed or diverged models would be a selection of good ones.
    """
    for kind in COUNTS:
        if counts[kind]:
            return f"{counts[kind]} models {kind}"
    if "forget" not in populations.rows:
        return "the request deletes no point"
    return ""


def audit(populations: Populations) -> Iterator[AuditRow]:
    """Every metric of populations on every split that has points."""
    for metric in METRICS.values():
        if metric.of_population is None:
            continue
        for split in metric.splits:
            if split in populations.rows:
                yield AuditRow(
                    metric.name, split, _checked(metric.of_population, populations, split)
                )


def refusal(reason: str) -> Iterator[AuditRow]:
    """Every metric without a value, for a population that cannot be audited."""
    for metric in METRICS.values():
        if metric.of_population is not None:
            for split in metric.splits:
                yield AuditRow(metric.name, split, Finding(None, reason=reason))


def oracle_failure(rows: Iterable[AuditRow]) -> str:
    """Why half B of the oracles fails its own audit against half A; empty if it passes.

    Metrics whose value is known for two halves of one population must have it: an area of .5, a
    difference of 0. All tests together raise a false alarm in `FALSE_ALARMS` of the audits.
    """
    tested = [(row, KNOWN_VALUES[row.metric]) for row in rows if row.metric in KNOWN_VALUES]
    for (metric, split, finding), expected in tested:
        if finding.value is None or finding.error is None:
            continue
        distance = abs(finding.value - expected)
        degrees = min(finding.n, MAX_JACKKNIFE_GROUPS) - 1
        limit = -stdtrit(degrees, FALSE_ALARMS / len(tested) / 2) * finding.error
        if distance > limit:
            return (
                f"the oracle fails its own audit: {metric} on {split} is {finding.value:.4g} "
                f"between its halves, not {expected:g} within {limit:.2g}"
            )
    return ""


def _checked(
    of_population: Callable[[Populations, str], Finding], populations: Populations, split: str
) -> Finding:
    """A finding whose value is a finite number or null with a reason."""
    finding = of_population(populations, split)
    if finding.value is not None and not np.isfinite(finding.value):
        return Finding(None, n=finding.n, reason="the value is not a finite number")
    return finding


def examples(populations: Populations) -> dict[str, np.ndarray]:
    """One value per deleted point of each metric that has one: float32, by the metric's name."""
    values = {}
    for metric in METRICS.values():
        if metric.of_examples is not None:
            array = metric.of_examples(populations)
            if array is not None:
                values[metric.name] = array.astype(np.float32)
    return values
