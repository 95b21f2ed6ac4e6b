"""How far the predictions of two models agree, point by point."""

import numpy as np

from unlearn.metrics.divergence import log_softmax


def agreement(reference_logits: np.ndarray, logits: np.ndarray) -> float | None:
    """Share of points for which both predict one class, in 0..1; None for no points.

    Ties go to the lowest class on both sides. Both N x C.
    """
    if len(logits) == 0:
        return None
    return float(np.mean(np.argmax(reference_logits, axis=1) == np.argmax(logits, axis=1)))


def activation_distance(reference_logits: np.ndarray, logits: np.ndarray) -> float | None:
    """Mean over points of the Euclidean distance of the probabilities, in 0..sqrt 2.

    None for no points. Both N x C.

    References:
        Golatkar et al., Eternal sunshine of the spotless net, CVPR 2020.
    """
    if len(logits) == 0:
        return None
    difference = np.exp(log_softmax(reference_logits)) - np.exp(log_softmax(logits))
    return float(np.sqrt(np.square(difference).sum(axis=1)).mean())
