"""What single constituents of an ensemble say: plain votes, ties, lone constituents.

`votes` S x N are the classes that S constituents predict for N points, -1 where one is absent.
"""

import numpy as np


def vote_accuracy(votes: np.ndarray, labels: np.ndarray) -> float | None:
    """Accuracy of the class with the most votes, ties for the lowest; None for no points."""
    if not votes.size:
        return None
    return float(np.mean(_ballots(votes).argmax(1) == labels))


def tie_fraction(votes: np.ndarray) -> float | None:
    """Share of points for which two classes or more have the most votes; None for no points."""
    if not votes.size:
        return None
    ballots = _ballots(votes)
    return float(np.mean((ballots == ballots.max(1, keepdims=True)).sum(1) > 1))


def lone_accuracies(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The accuracy of each constituent that is present, on its own; empty for no points."""
    if not votes.size:
        return np.empty(0)
    present = votes[(votes >= 0).all(1)]
    return (present == labels).mean(1)


def _ballots(votes: np.ndarray) -> np.ndarray:
    """N x C: how many constituents vote for each class."""
    ballots = np.zeros((votes.shape[1], int(votes.max(initial=0)) + 1), dtype=np.int64)
    points = np.arange(votes.shape[1])
    for vote in votes:
        there = vote >= 0
        ballots[points[there], vote[there]] += 1
    return ballots
