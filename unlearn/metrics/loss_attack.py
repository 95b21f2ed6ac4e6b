"""Whether deleted points can be told from points that were never trained on, by their loss."""

import numpy as np

from unlearn.metrics.accuracy import log_odds_against


def attack_auc(
    member_losses: np.ndarray,
    member_labels: np.ndarray,
    nonmember_losses: np.ndarray,
    nonmember_labels: np.ndarray,
) -> float | None:
    """Area under the ROC curve of the attack that takes a low loss for a member's.

    The attack compares points of one class, so that the mix of classes has no influence. The area
    is the mean over classes, weighted by their members. Equal losses count a half.

    Args:
        member_losses: N losses, in nats, of the points that the attack should find.
        member_labels: their classes, N.
        nonmember_losses: M losses of points that were never trained on.
        nonmember_labels: their classes, M.

    Returns:
        The area, in 0..1; None where no class has both kinds of points.

    References:
        Yeom et al., Privacy risk in machine learning, CSF 2018.
    """
    total = area = 0.0
    for label in np.unique(member_labels):
        class_losses = member_losses[member_labels == label]
        ranked_losses = np.sort(nonmember_losses[nonmember_labels == label])
        n = len(ranked_losses)
        if n:
            min_ranks = np.searchsorted(ranked_losses, class_losses)
            max_ranks = np.searchsorted(ranked_losses, class_losses, "right")
            counts_above = n - (min_ranks + max_ranks) / 2
            area += float(counts_above.sum()) / n
            total += len(class_losses)
    return area / total if total else None


def loss_attack_auc(
    logits: np.ndarray, labels: np.ndarray, test_logits: np.ndarray, test_labels: np.ndarray
) -> float | None:
    """The attack by loss on some points, with test points as those never trained on.

    Points are ordered by the log-odds against their class. That is the order of their losses, also
    where these are too small for a float64.

    Args:
        logits: N x C, of the points that are attacked.
        labels: their classes, N.
        test_logits: M x C, of the test points.
        test_labels: their classes, M.

    Returns:
        The area under the ROC curve; see `attack_auc`.
    """
    member_odds = log_odds_against(logits, labels)
    nonmember_odds = log_odds_against(test_logits, test_labels)
    return attack_auc(member_odds, labels, nonmember_odds, test_labels)
