"""Whether points can be told from points that were never trained on, by their loss alone."""

import numpy as np


def attack_auc(
    members: np.ndarray, labels: np.ndarray, others: np.ndarray, other_labels: np.ndarray
) -> float | None:
    """Area under the ROC curve of the attack that takes a low loss for a member's, in 0..1.

    `members` and `others` are losses of points with these labels (Yeom et al. 2018). Points are
    compared within their class, so that the mix of classes says nothing: the mean over classes,
    weighted by their members. Equal losses count a half. None where no class has both.
    """
    total = area = 0.0
    for label in np.unique(labels):
        own, rest = members[labels == label], np.sort(others[other_labels == label])
        if len(rest):
            above = (
                len(rest) - (np.searchsorted(rest, own) + np.searchsorted(rest, own, "right")) / 2
            )
            area += float(above.sum()) / len(rest)
            total += len(own)
    return area / total if total else None
