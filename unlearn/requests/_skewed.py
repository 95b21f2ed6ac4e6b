"""What samplers share whose points are not equally likely."""

import numpy as np

from unlearn import priors
from unlearn.requests import NOBODY, Request, amount, split


def drawn_by(
    prior: str,
    labels: np.ndarray,
    held_out: np.ndarray,
    *,
    rate,
    count,
    steps,
    seed,
    shape,
    ranking,
) -> Request:
    """Points in the order of successive draws; smaller requests are contained in larger ones."""
    base = np.setdiff1d(np.arange(len(labels)), held_out)
    probability = priors.probabilities(prior, base, ranking, shape)
    order = priors.drawn(base, probability, seed)
    deletions = split(order[: amount(len(base), rate, count)], steps)
    return Request(deletions, [NOBODY] * steps)
