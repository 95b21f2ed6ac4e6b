"""Seeded draws of points."""

from collections.abc import Sequence

import numpy as np

from unlearn.core import seeding


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Sorted ids of `count` points with the class shares of `labels`.

    Each class gets its share rounded down; the rest goes to the largest remainders. Within a
    class the points are the first of a seeded order.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    quota = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - quota), kind="stable")[: count - quota.sum()]:
        quota[index] += 1
    chosen_ids = []
    for label, points in zip(classes, quota, strict=True):
        class_seed = seeding.derive(seed, "stratified", int(label))
        order = seeding.shuffled(np.flatnonzero(labels == label), class_seed)
        chosen_ids.append(order[:points])
    return np.sort(np.concatenate(chosen_ids))


def kept_points(labels: np.ndarray, kept_labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Sorted ids of the points of some classes, and their new labels, which count from 0.

    The first of `kept_labels` becomes class 0, the second class 1, and so on.
    """
    new_labels = np.full(labels.max() + 1, -1)
    new_labels[list(kept_labels)] = np.arange(len(kept_labels))
    ids = np.flatnonzero(new_labels[labels] >= 0)
    return ids, new_labels[labels[ids]]


def stratified_share(labels: np.ndarray, ids: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The same share of every class among `ids`, sorted.

    Smaller shares of the same seed are contained in larger ones. Strictly between 0 and 1 at least
    one point of a class is in the share and one outside it, where the class has two.

    Args:
        labels: The class of every training point.
        ids: The points to choose from.
        share: From 0 to 1.
        seed: Decides the points.
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
