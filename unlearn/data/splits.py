"""Seeded draws of points."""

import numpy as np

from unlearn.core import seeding


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Sorted ids of `count` points with the class shares of `labels`.

    Each class gets its share rounded down; what is left goes to the largest remainders. Within a
    class the points are the first of a seeded order.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    quota = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - quota), kind="stable")[: count - quota.sum()]:
        quota[index] += 1
    chosen = [
        seeding.shuffled(np.flatnonzero(labels == c), seeding.derive(seed, "stratified", int(c)))[
            :q
        ]
        for c, q in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(chosen))
