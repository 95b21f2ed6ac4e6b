"""Addition of points that were kept out of base training."""

import numpy as np

from unlearn.core import seeding
from unlearn.requests.request import NOBODY, Request, amount, split

ASKS = ("add",)


def check(points: int, classes: int, held_out: int, *, rate, count, steps, seed) -> None:
    """ValueError unless the data set holds out as many points as are to be added."""
    chosen = amount(points - held_out, rate, count)
    if chosen > held_out:
        raise ValueError(
            f"{chosen} points are to be added but {held_out} are held out of base training; "
            "raise `held_out` of the data set"
        )
    if steps > chosen:
        raise ValueError(f"{steps} steps are more than the {chosen} points that are selected")


def draw(labels: np.ndarray, held_out: np.ndarray, *, rate, count, steps, seed) -> Request:
    """The first of the held-out points in a seeded order; smaller requests lie in larger ones."""
    order = seeding.shuffled(held_out, seeding.derive(seed, "held-out request"))
    additions = split(order[: amount(len(labels) - len(held_out), rate, count)], steps)
    return Request([NOBODY] * steps, additions)
