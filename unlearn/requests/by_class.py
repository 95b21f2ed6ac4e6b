"""Deletion of a class, or of a share of its points."""

import numpy as np

from unlearn.core import seeding
from unlearn.requests.request import NOBODY, Request, split

ASKS = ("delete",)


def check(points: int, classes: int, held_out: int, *, label, fraction, steps, seed) -> None:
    """ValueError for a class that does not exist, or too small a share of one of average size."""
    if label >= classes:
        raise ValueError(f"label {label} does not exist; classes go from 0 to {classes - 1}")
    average = (points - held_out) / classes
    if round(fraction * average) < steps:
        raise ValueError(
            f"fraction {fraction} of a class of about {average:.0f} points is too little for "
            f"{steps} steps"
        )


def draw(labels: np.ndarray, held_out: np.ndarray, *, label, fraction, steps, seed) -> Request:
    """The first points of the class in a seeded order. ValueError if that selects too few."""
    members = np.setdiff1d(np.flatnonzero(labels == label), held_out)
    chosen = round(fraction * len(members))
    if chosen < steps:
        raise ValueError(f"fraction {fraction} of class {label} is {chosen} points, steps: {steps}")
    order = seeding.shuffled(members, seeding.derive(seed, "class request"))
    return Request(split(order[:chosen], steps), [NOBODY] * steps)
