"""Samples of points, and requests for whole classes."""

import numpy as np

from unlearn.core import seeding


def class_sample(ids: np.ndarray, labels: np.ndarray, points: int, seed: int) -> np.ndarray:
    """So many random points of every class, or all of a class that has fewer; sorted ids.

    Args:
        ids: The points, N.
        labels: Their classes, N.
        points: The most of a class.
        seed: Decides which.
    """
    order = np.argsort(seeding.point_keys(seed, ids))
    chosen = [order[labels[order] == label][:points] for label in np.unique(labels)]
    return np.sort(ids[np.concatenate([order[:0], *chosen])])


def check_whole_classes(deleted_labels: np.ndarray, retained_labels: np.ndarray) -> None:
    """Raise ValueError where points of a class are deleted and others of it are kept.

    Args:
        deleted_labels: The classes of the deleted points.
        retained_labels: Those of the points that are left.
    """
    for label in np.intersect1d(deleted_labels, retained_labels):
        deleted = np.count_nonzero(deleted_labels == label)
        kept = np.count_nonzero(retained_labels == label)
        raise ValueError(
            f"the request deletes {deleted} points of class {label} and keeps {kept}; allowed: "
            "whole classes"
        )
