"""How well scores tell members from non-members; a larger score says member.

A member is a point that a model was trained on. `roc_auc` needs no threshold. A threshold is chosen
on calibration points and applied to others, because on its own points it flatters every attack.
"""

import numpy as np

from unlearn.metrics.finding import Finding

MIN_FALSE_POSITIVES = 10
"""Non-members above a threshold that a rate needs; with fewer a rate is mostly noise."""

NO_SCORES = "no members or no non-members"


def roc_auc(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> Finding:
    """Area under the ROC curve, in 0..1: equal scores count a half. `n` is the members.

    `member_scores` and `nonmember_scores` may have any shape, and any unit.
    """
    if not member_scores.size or not nonmember_scores.size:
        return Finding(None, reason=NO_SCORES)
    ranked_scores = np.sort(nonmember_scores, axis=None)
    queries = np.sort(member_scores, axis=None)  # neighbours are near in memory, too
    counts = np.searchsorted(ranked_scores, queries).sum(dtype=np.int64)
    counts += np.searchsorted(ranked_scores, queries, "right").sum(dtype=np.int64)
    area = float(counts) / (2 * queries.size * ranked_scores.size)
    return Finding(area, n=queries.size)


def best_threshold(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> float:
    """The threshold with the largest balanced accuracy on N and M calibration scores.

    A score at or above it says member. It lies halfway between two scores; of equally good ones it
    is the lowest. It is minus infinity where calling all points members is best.
    """
    if not member_scores.size or not nonmember_scores.size:
        raise ValueError(f"{NO_SCORES}: a threshold needs both")
    values = np.unique(np.concatenate([member_scores, nonmember_scores]))
    misses = np.searchsorted(np.sort(member_scores), values) / member_scores.size
    rejections = np.searchsorted(np.sort(nonmember_scores), values) / nonmember_scores.size
    best = int(np.argmax(rejections - misses))
    return float(values[best - 1] / 2 + values[best] / 2) if best else -np.inf


def balanced_accuracy(
    member_scores: np.ndarray, nonmember_scores: np.ndarray, threshold: float
) -> Finding:
    """Mean of the shares of members and non-members that a threshold gets right, in 0..1.

    Args:
        member_scores: N scores that had no part in the choice of the threshold.
        nonmember_scores: M such scores.
        threshold: a score at or above it says member; see `best_threshold`.

    Returns:
        The balanced accuracy; `n` is the number of members.
    """
    if not member_scores.size or not nonmember_scores.size:
        return Finding(None, reason=NO_SCORES)
    hits = np.mean(member_scores >= threshold)
    rejections = np.mean(nonmember_scores < threshold)
    return Finding(float(hits + rejections) / 2, n=member_scores.size)


def tpr_at_fpr(member_scores: np.ndarray, nonmember_scores: np.ndarray, rate: float) -> Finding:
    """Share of members above all but a share of the non-members, in 0..1.

    Args:
        member_scores: N scores.
        nonmember_scores: M scores.
        rate: the false-positive rate, between 0 and 1.

    Returns:
        The true-positive rate of the strictest threshold that allows the rate. None with fewer
        than ten non-members above the threshold.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate {rate}: a false-positive rate is between 0 and 1")
    if not member_scores.size:
        return Finding(None, reason=NO_SCORES)
    n = nonmember_scores.size
    false_positives = int(rate * n + 1e-9)
    if false_positives < MIN_FALSE_POSITIVES:
        needed = round(MIN_FALSE_POSITIVES / rate)
        return Finding(None, reason=f"{n} non-members; a rate of {rate:g} needs {needed}")
    place = n - 1 - false_positives
    threshold = np.partition(nonmember_scores, place, axis=None)[place]
    return Finding(float(np.mean(member_scores > threshold)), n=member_scores.size)


def matched_rows(member_labels: np.ndarray, candidate_labels: np.ndarray, seed: int) -> np.ndarray:
    """Rows of as many candidates as have the same mix of classes as the members.

    Every class gets the same number of candidates a member, rounded to whole points: the class with
    the fewest candidates a member sets it. A class that no candidate has does not count;
    `class_overlap` tells which members remain.

    Args:
        member_labels: N classes, of the points that an attack should find.
        candidate_labels: M classes, of points that could be the non-members.
        seed: of the draw among the candidates of a class.

    Returns:
        Sorted rows of `candidate_labels`, without repetition; empty where no class is shared.
    """
    generator = np.random.default_rng(seed)
    classes, member_counts = np.unique(member_labels, return_counts=True)
    candidate_rows = [np.flatnonzero(candidate_labels == label) for label in classes]
    candidate_counts = np.array([len(rows) for rows in candidate_rows], int)
    ratios = candidate_counts[candidate_counts > 0] / member_counts[candidate_counts > 0]
    if not ratios.size:
        return np.empty(0, int)
    counts = np.floor(ratios.min() * member_counts + 0.5).astype(int)
    counts = np.minimum(counts, candidate_counts)
    rows = [
        generator.choice(class_rows, count, replace=False)
        for class_rows, count in zip(candidate_rows, counts, strict=True)
    ]
    return np.sort(np.concatenate(rows))


def class_overlap(member_labels: np.ndarray, candidate_labels: np.ndarray) -> np.ndarray:
    """Whether any candidate has the class of a member: N booleans for N and M classes."""
    return np.isin(member_labels, candidate_labels)
