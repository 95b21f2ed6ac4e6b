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


def frontier_points(points: Sequence[Point], limits: Mapping[str, float]) -> list[Point]:
    """The points that differ from doing nothing, by rising cost and distance.

    A point counts if its whole interval lies below the limit of its trainer; a trainer without
    a limit is compared with the standard one. `limits` are by trainer.
    """
    standard_limit = limits.get("", math.inf)
    return sorted(
        point
        for point in points
        if point.highest_distance < limits.get(point.trainer, standard_limit)
    )
