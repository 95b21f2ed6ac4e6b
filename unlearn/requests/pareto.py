"""Deletion of points of which some are far likelier than others, by a Pareto law."""

import numpy as np

from unlearn.requests import Request, some_of
from unlearn.requests._skewed import drawn_by

ASKS = ("delete",)


def check(
    points: int, classes: int, held_out: int, *, rate, count, steps, seed, shape, ranking_seed
) -> None:
    """ValueError unless some but not all points of base training are selected."""
    some_of(points, held_out, rate, count, steps)


def draw(labels: np.ndarray, held_out: np.ndarray, *, ranking_seed, **how) -> Request:
    """Points in the order of successive draws, by `unlearn.priors`."""
    return drawn_by("pareto", labels, held_out, ranking=ranking_seed, **how)
