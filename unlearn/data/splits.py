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


def stratified_share(labels: np.ndarray, ids: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The same share of every class among `ids`, sorted.

    Smaller shares of the same seed are contained in larger ones. Between 0 and 1 one point of a
    class at least is left in and one out, where it has two.
    """
    order = seeding.shuffled(ids, seeding.derive(seed, "noised"))
    chosen_ids = []
    for label in np.unique(labels[ids]):
        class_ids = order[labels[order] == label]
        count = int(share * len(class_ids) + 0.5)
        if 0 < share < 1:
            count = min(max(count, 1), len(class_ids) - 1)
        chosen_ids.append(class_ids[:count])
    return np.sort(np.concatenate(chosen_ids)).astype(np.int64)
