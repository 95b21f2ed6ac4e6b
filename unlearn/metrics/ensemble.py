"""Metrics of the constituents of an ensemble: plain votes, ties, accuracy of one constituent.

`votes` S x N are the classes that S constituents predict for N points, -1 where one is absent.
`labels` N. Every metric is None for no points.
"""

import numpy as np


def vote_accuracy(votes: np.ndarray, labels: np.ndarray) -> float | None:
    """Accuracy of the class with the most votes, in 0..1; ties go to the lowest class."""
    if not votes.size:
        return None
    return float(np.mean(_ballots(votes).argmax(1) == labels))


def tie_fraction(votes: np.ndarray) -> float | None:
    """Share of points for which two classes or more have the most votes."""
    if not votes.size:
        return None
    ballots = _ballots(votes)
    return float(np.mean((ballots == ballots.max(1, keepdims=True)).sum(1) > 1))


def lone_accuracies(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The accuracy of each constituent that is present; empty for no points."""
    if not votes.size:
        return np.empty(0)
    present_votes = votes[(votes >= 0).all(1)]
    return (present_votes == labels).mean(1)


def mean_lone_accuracy(votes: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean over the constituents that are present of their accuracy; None if none is."""
    accuracies = lone_accuracies(votes, labels)
    return float(accuracies.mean()) if accuracies.size else None


def min_lone_accuracy(votes: np.ndarray, labels: np.ndarray) -> float | None:
    """Accuracy of the worst constituent that is present; None if none is."""
    accuracies = lone_accuracies(votes, labels)
    return float(accuracies.min()) if accuracies.size else None


def max_lone_accuracy(votes: np.ndarray, labels: np.ndarray) -> float | None:
    """Accuracy of the best constituent that is present; None if none is."""
    accuracies = lone_accuracies(votes, labels)
    return float(accuracies.max()) if accuracies.size else None


def _ballots(votes: np.ndarray) -> np.ndarray:
    """The number of constituents that vote for each class, N x C."""
    ballots = np.zeros((votes.shape[1], int(votes.max(initial=0)) + 1), dtype=np.int64)
    points = np.arange(votes.shape[1])
    for vote in votes:
        is_present = vote >= 0
        ballots[points[is_present], vote[is_present]] += 1
    return ballots
