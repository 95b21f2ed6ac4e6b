"""Which points of cost and distance are on a frontier, without drawing them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """What a method achieves, and for which cost."""

    cost: float
    distance: float
    highest_distance: float
    """The upper end of the interval; the distance itself where there is none."""
    trainer: str
    """The trainer of the models; empty for the standard one."""


class Baseline(NamedTuple):
    """What doing nothing with the models of a trainer achieves, for no cost."""

    distance: float
    lowest_distance: float | None
    """The lower end of the interval; None where there is none."""

    @property
    def limit(self) -> float:
        """The distance that an interval must lie below to differ from doing nothing."""
        return self.distance if self.lowest_distance is None else self.lowest_distance


def largest_baseline(baseline: Baseline | None, row: Mapping) -> Baseline:
    """The baseline of a trainer with one more row that costs nothing; the largest numbers count."""
    distance = row["mean"]
    low = row["ci_low"] if math.isfinite(row["ci_low"]) else None
    if baseline is None:
        return Baseline(distance, low)
    lows = [value for value in (low, baseline.lowest_distance) if value is not None]
    return Baseline(max(distance, baseline.distance), max(lows, default=None))


def frontier_points(points: Sequence[Point], baselines: Mapping[str, Baseline]) -> list[Point]:
    """The points that differ from doing nothing, by rising cost and distance.

    A point counts if its whole interval lies below the baseline of its trainer; a trainer without
    a baseline is compared with the standard one. `baselines` are by trainer.
    """
    limits = {trainer: baseline.limit for trainer, baseline in baselines.items()}
    standard_limit = limits.get("", math.inf)
    return sorted(
        point
        for point in points
        if point.highest_distance < limits.get(point.trainer, standard_limit)
    )
