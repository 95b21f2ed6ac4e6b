"""Temperatures of predictions.

Two models can differ in their confidence alone; predictions at their temperatures leave that out.

References:
    Guo et al., On calibration of modern neural networks, ICML 2017.
"""

import numpy as np

from unlearn.metrics.divergence import log_softmax

MIN_TEMPERATURE = 0.01
"""The lower end of the search: the fit of a model that errs on no calibration point."""

MAX_TEMPERATURE = 100.0
"""The upper end of the search: the fit of a model no better than chance."""

BISECTION_STEPS = 50
"""Halvings of the range of ln(1 / temperature), which leave an error below 1e-14."""


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T that minimises the mean cross-entropy of logits / T, in 0.01..100.

    The cross-entropy is convex in 1 / T, and its slope there is bisected. `logits` V x C,
    `labels` V.

    Raises:
        ValueError: There is no point, or a logit is not finite.
    """
    if len(labels) == 0:
        raise ValueError("temperature: no calibration points; allowed is 1 or more")
    if not np.isfinite(logits).all():
        raise ValueError("temperature: logits that are not finite; leave out models that diverged")
    z = logits.astype(np.float64)
    z -= z[np.arange(len(labels)), labels][:, None]
    low = -np.log(MAX_TEMPERATURE)
    high = -np.log(MIN_TEMPERATURE)
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        if _slope(z, np.exp(middle)) < 0:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))


def _slope(z: np.ndarray, inverse_temperature: float) -> float:
    """The derivative of the mean cross-entropy by 1 / T; `z` are logits less that of the label."""
    p = np.exp(log_softmax(inverse_temperature * z))
    return float((p * z).sum(axis=1).mean())
