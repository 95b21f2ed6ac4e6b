"""How well logits predict labels."""

import numpy as np


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Share of points whose largest logit is the label's, in 0..1; None for no points.

    Ties go to the lowest class. `logits` N x C, `labels` N.
    """
    if len(labels) == 0:
        return None
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def log_odds_against(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """ln((1 - p) / p) of the probability p of every point's label, N, in nats, float64.

    It is the logarithm of the sum of exp(z_j - z_y) over the classes j other than the label y. It
    rises with the loss and never saturates. `logits` N x C, `labels` N.
    """
    points = np.arange(len(labels))
    margins = logits.astype(np.float64)
    margins -= margins[points, labels][:, None]
    margins[points, labels] = -np.inf
    largest_margins = margins.max(axis=1, initial=np.finfo(np.float64).min)
    rest = np.exp(margins - largest_margins[:, None]).sum(axis=1)
    with np.errstate(divide="ignore"):  # a single class has no other
        return largest_margins + np.log(rest)


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy of every point, N, in nats, float64. `logits` N x C, `labels` N.

    It is log1p of the odds against the label, so that losses near 0 keep all their digits.
    """
    with np.errstate(invalid="ignore"):  # a broken model's NaN is passed on
        return np.logaddexp(0, log_odds_against(logits, labels))


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
