"""How well logits predict labels."""

import numpy as np

from unlearn.metrics.divergence import log_softmax


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Share of points whose largest logit is the label's, in 0..1; None for no points.

    Ties go to the lowest class. `logits` N x C, `labels` N.
    """
    if len(labels) == 0:
        return None
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy of every point, N, in nats, float64. `logits` N x C, `labels` N."""
    return -log_softmax(logits)[np.arange(len(labels)), labels]


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """The mean cross-entropy, in nats; None for no points. `logits` N x C, `labels` N."""
    if len(labels) == 0:
        return None
    return float(losses(logits, labels).mean())


def accuracy_gap(
    reference_logits: np.ndarray, logits: np.ndarray, labels: np.ndarray
) -> float | None:
    """Accuracy minus that of the reference, in -1..1; None for no points.

    Both logits N x C, `labels` N.
    """
    if len(labels) == 0:
        return None
    return accuracy(logits, labels) - accuracy(reference_logits, labels)


def loss_gap(reference_logits: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean cross-entropy minus that of the reference, in nats; None for no points.

    Both logits N x C, `labels` N.
    """
    if len(labels) == 0:
        return None
    return mean_loss(logits, labels) - mean_loss(reference_logits, labels)
