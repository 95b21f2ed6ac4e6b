"""The attack that calls a point a member where its loss is below a threshold."""

from dataclasses import dataclass

import numpy as np

from unlearn.metrics.finding import Finding
from unlearn.metrics.membership import NO_SCORES, balanced_accuracy, best_threshold


@dataclass(frozen=True)
class ThresholdAttack:
    """What a threshold on calibration points finds on the points of a request."""

    member_share: Finding
    """Share of the deleted points that it calls members, in 0..1."""
    balanced_accuracy: Finding
    """Mean of that share and of the share of non-members that it calls so, in 0..1."""
    threshold: float | None
    """A score at or above it says member."""


def threshold_attack(
    forget_scores: np.ndarray,
    member_scores: np.ndarray,
    nonmember_scores: np.ndarray,
    seed: int,
) -> ThresholdAttack:
    """The attack by loss, with its threshold chosen on half of the calibration points.

    Args:
        forget_scores: N scores of deleted points, in nats: minus the loss, or the margin, which
            has the same order and never saturates.
        member_scores: scores of training points that the model keeps.
        nonmember_scores: scores of points that it never trained on. One half chooses the
            threshold; the other half is compared with the deleted points.
        seed: of the draw of the halves.

    Returns:
        Values of None where a set is too small: one point each, and two non-members.

    References:
        Yeom et al., Privacy risk in machine learning, CSF 2018.
    """
    if not forget_scores.size or not member_scores.size or nonmember_scores.size < 2:
        finding = Finding(None, reason=NO_SCORES)
        return ThresholdAttack(finding, finding, None)
    generator = np.random.default_rng(seed)
    members = generator.permutation(member_scores)
    nonmembers = generator.permutation(nonmember_scores)
    half = nonmembers.size // 2
    threshold = best_threshold(members[: (members.size + 1) // 2], nonmembers[:half])
    member_share = Finding(float(np.mean(forget_scores >= threshold)), n=forget_scores.size)
    success = balanced_accuracy(forget_scores, nonmembers[half:], threshold)
    return ThresholdAttack(member_share, success, threshold)
