"""Divergences between the predictions of two models, in nats, means over points.

Everything is computed from log-softmax in float64, so that saturated logits stay finite and a
constant added to all logits of a point changes nothing. The sum over classes is never divided by
their number.
"""

import numpy as np

ROUNDING = 1e-9


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis, float64."""
    z = logits.astype(np.float64)
    z -= z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def kl(reference: np.ndarray, model: np.ndarray) -> float | None:
    """Mean over points of KL(reference || model) = sum_c p (ln p - ln q), at least 0.

    Both are logits N x C; None for no points. A class of probability 0 contributes 0.
    """
    if len(reference) == 0:
        return None
    log_p = log_softmax(reference)
    log_q = log_softmax(model)
    p = np.exp(log_p)
    terms = np.where(p == 0, 0.0, p * (log_p - log_q))
    return _clipped(float(terms.sum(axis=-1).mean()), np.inf)


def reverse_kl(reference: np.ndarray, model: np.ndarray) -> float | None:
    """Mean over points of KL(model || reference), at least 0; see `kl`."""
    return kl(model, reference)


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float | None:
    """Mean over points of (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, in 0..ln 2.

    Both are logits N x C; None for no points (Lin 1991).
    """
    if len(first) == 0:
        return None
    log_p = log_softmax(first)
    log_q = log_softmax(second)
    with np.errstate(invalid="ignore"):  # a broken model's NaN is passed on
        log_m = np.logaddexp(log_p, log_q) - np.log(2)
    p = np.exp(log_p)
    q = np.exp(log_q)
    is_equal = log_p == log_q  # where rounding would leave a trace
    left = np.where(is_equal | (p == 0), 0.0, p * (log_p - log_m)).sum(axis=-1)
    right = np.where(is_equal | (q == 0), 0.0, q * (log_q - log_m)).sum(axis=-1)
    return _clipped(float((left + right).mean() / 2), float(np.log(2)))


def _clipped(value: float, top: float) -> float:
    """`value` moved to the range 0..top if rounding alone put it outside; else unchanged."""
    clipped_value = min(max(value, 0.0), top)
    return clipped_value if abs(value - clipped_value) < ROUNDING else value
