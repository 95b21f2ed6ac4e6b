"""The attack by a support vector classifier on the outputs of one model.

It is here for comparison with published tables. It is weak: never let it be the only attack.

References:
    Jia et al., Model sparsity can simplify machine unlearning, NeurIPS 2023.
    Song and Mittal, Systematic evaluation of privacy risks, USENIX Security 2021.
"""

from collections.abc import Callable

import numpy as np

from unlearn.metrics.accuracy import losses
from unlearn.metrics.divergence import log_softmax
from unlearn.metrics.finding import Finding
from unlearn.metrics.margins import label_probabilities, margins

MAX_POINTS_PER_SIDE = 5000
"""Members and non-members that the classifier is fitted to; its time grows with their square."""


def confidences(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability of every point's label, N x 1. `logits` N x C, `labels` N."""
    return label_probabilities(logits, labels)[:, None]


def correctness(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the largest logit is the label's, else 0, N x 1. `logits` N x C, `labels` N."""
    return (np.argmax(logits, axis=1) == labels)[:, None].astype(np.float64)


def entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The entropy of the prediction, in nats, N x 1. `logits` N x C; labels do not matter."""
    log_probabilities = log_softmax(logits)
    return -(np.exp(log_probabilities) * log_probabilities).sum(axis=1, keepdims=True)


def modified_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The entropy that also falls with the confidence in the label, in nats, N x 1.

    It is -(1 - p_y) ln p_y - sum of p_k ln(1 - p_k) over the other classes k. `logits` N x C,
    `labels` N.
    """
    n_points, n_classes = logits.shape
    probabilities = np.exp(log_softmax(logits))
    label_losses = losses(logits, labels)
    values = label_losses * -np.expm1(-label_losses)
    for other in range(n_classes):
        other_margins = margins(logits, np.full(n_points, other))
        complements = -np.logaddexp(0, other_margins)  # ln(1 - p_k), with all its digits
        values -= np.where(labels == other, 0, probabilities[:, other] * complements)
    return values[:, None]


def probability_vectors(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probabilities of all classes, N x C. `logits` N x C; labels do not matter."""
    return np.exp(log_softmax(logits))


FEATURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "confidence": confidences,
    "correctness": correctness,
    "entropy": entropies,
    "modified_entropy": modified_entropies,
    "probabilities": probability_vectors,
}
"""What the classifier can be given of a point: feature(logits N x C, labels N) -> N x d."""


def svc_efficacy(
    retain_features: np.ndarray,
    test_features: np.ndarray,
    forget_features: np.ndarray,
    seed: int,
    max_points: int = MAX_POINTS_PER_SIDE,
) -> Finding:
    """Share of the deleted points that a classifier calls non-members, in 0..1.

    Members are a draw from the retained points, non-members a draw from the test points, equally
    many: all of the smaller set, but at most `max_points`.

    Args:
        retain_features: N x d, of the points that the model was trained on and keeps.
        test_features: M x d, of points that it was never trained on.
        forget_features: F x d, of the points to be deleted.
        seed: of both draws.
        max_points: the most members, and non-members.

    Returns:
        The efficacy; `n` is the number of deleted points. None where a set is empty, or where all
        members and non-members have the same features.
    """
    from sklearn.svm import SVC

    if max_points < 1:
        raise ValueError(f"max_points {max_points}: at least 1 is needed")
    count = min(len(retain_features), len(test_features), max_points)
    if not count or not len(forget_features):
        return Finding(None, reason="no retained, test or deleted points")
    generator = np.random.default_rng(seed)
    members = generator.choice(retain_features, count, replace=False)
    nonmembers = generator.choice(test_features, count, replace=False)
    features = np.concatenate([members, nonmembers])
    if not np.isfinite(features).all() or not np.isfinite(forget_features).all():
        return Finding(None, reason="features that are not finite")
    if not np.ptp(features, axis=0).any():
        return Finding(None, reason="all members and non-members have the same features")
    is_member = np.arange(2 * count) < count
    classifier = SVC(C=3, kernel="rbf", gamma="auto").fit(features, is_member)
    return Finding(float(np.mean(~classifier.predict(forget_features))), n=len(forget_features))
