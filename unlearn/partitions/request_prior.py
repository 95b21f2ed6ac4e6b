"""How likely each point is to be deleted.

Skewed requests are drawn by it, and distribution-aware sharding cuts by it.
"""

import math

import numpy as np

from unlearn.core import seeding


def check(kind: str, shape: float, name: str) -> None:
    """ValueError for a shape, called `name` by the user, that the kind cannot have."""
    if kind == "exponential" and shape >= 1:
        raise ValueError(f"{name}: {shape} is not below 1, as prior exponential needs")


def probabilities(kind: str, ids: np.ndarray, seed: int, shape: float) -> np.ndarray:
    """The probability that a request is for each of `ids`, float64, of sum 1.

    Ids alone decide, never what the points contain (Bourtoule et al. 2021 shard by such
    probabilities).

    Args:
        kind: `pareto` is proportional to (rank + 1)^-(shape + 1), `exponential` falls to the share
            `shape` at the last rank, `uniform` is the same for all.
        ids: The points.
        seed: Draws the ranking of the ids.
        shape: See `kind`.

    Raises:
        KeyError: Another kind.
    """
    keys = seeding.point_keys(seeding.derive(seed, "ranking of requests"), ids)
    rank = np.empty(len(ids))
    rank[np.argsort(keys, kind="stable")] = np.arange(len(ids))
    weight = {
        "uniform": lambda: np.ones(len(ids)),
        "pareto": lambda: (rank + 1) ** -(shape + 1),
        "exponential": lambda: np.exp(rank * math.log(shape) / len(ids)),
    }[kind]()
    return weight / math.fsum(weight)


def successive_draws(ids: np.ndarray, probability: np.ndarray, seed: int) -> np.ndarray:
    """`ids` in the order in which they are drawn one after the other, without replacement.

    The smallest of independent exponential variables with rates p is a draw from p, the second
    smallest a draw from the remaining points, and so on (Efraimidis and Spirakis 2006). The first
    points of the order do not depend on how many are drawn.
    """
    keys = seeding.point_keys(seeding.derive(seed, "draws of requests"), ids)
    uniform = (keys.astype(np.float64) + 0.5) / 2.0**64
    return ids[np.argsort(-np.log(uniform) / probability, kind="stable")]
