"""Deletion of points drawn uniformly without replacement."""

import numpy as np

from unlearn.core import seeding
from unlearn.requests.request import NOBODY, Request, amount, some_of, split

ASKS = ("delete",)


def check(points: int, classes: int, held_out: int, *, rate, count, steps, seed) -> None:
    """ValueError unless some but not all points of base training are selected."""
    some_of(points, held_out, rate, count, steps)


def draw(labels: np.ndarray, held_out: np.ndarray, *, rate, count, steps, seed) -> Request:
    """The first points of a seeded order, so that smaller requests are contained in larger."""
    base = np.setdiff1d(np.arange(len(labels)), held_out)
    order = seeding.shuffled(base, seeding.derive(seed, "random request"))
    deletions = split(order[: amount(len(base), rate, count)], steps)
    return Request(deletions, [NOBODY] * steps)
