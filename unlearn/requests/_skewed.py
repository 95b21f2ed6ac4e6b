"""The body of samplers whose points are not equally likely."""

import numpy as np

from unlearn.partitions import request_prior
from unlearn.requests.request import NOBODY, Request, amount, some_of, split


def check(
    points: int, classes: int, held_out: int, *, rate, count, steps, seed, shape, ranking_seed
) -> None:
    """ValueError unless some but not all points of base training are selected."""
    some_of(points, held_out, rate, count, steps)


def draw(
    prior: str,
    labels: np.ndarray,
    held_out: np.ndarray,
    *,
    rate,
    count,
    steps,
    seed,
    shape,
    ranking_seed,
) -> Request:
    """Points in the order of successive draws; smaller requests are contained in larger ones."""
    base = np.setdiff1d(np.arange(len(labels)), held_out)
    probability = request_prior.probabilities(prior, base, ranking_seed, shape)
    order = request_prior.drawn(base, probability, seed)
    deletions = split(order[: amount(len(base), rate, count)], steps)
    return Request(deletions, [NOBODY] * steps)
