"""Deletion of the points whose images carry noise: what is left is clean."""

import numpy as np

from unlearn.requests.request import NOBODY, Request

ASKS = ("delete",)
READS = ("noised",)  # of the data set


def check(points: int, classes: int, held_out: int) -> None:
    """Any share will do: of none nothing is asked, of all nothing is left."""


def leaves_nothing(noised: float) -> bool:
    """Whether all points carry noise."""
    return noised == 1


def draw(labels: np.ndarray, held_out: np.ndarray, *, noised: np.ndarray) -> Request:
    """All of them at once."""
    return Request([noised], [NOBODY])
