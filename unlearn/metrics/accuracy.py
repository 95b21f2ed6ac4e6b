"""How often the largest logit is the label's."""

import numpy as np


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Share of points whose largest logit is the label's, in 0..1; None for no points.

    Ties go to the lowest class. `logits` N x C, `labels` N.
    """
    if len(labels) == 0:
        return None
    return float(np.mean(np.argmax(logits, axis=1) == labels))
