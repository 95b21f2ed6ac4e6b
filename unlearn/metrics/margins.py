"""Margins and probabilities of the labels of points, for one model or many."""

import math

import numpy as np
from scipy.special import expit

from unlearn.metrics.accuracy import log_odds_against


def margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The log-odds of every point's label: z_y - ln sum of exp(z_k) over the other classes k.

    The margin falls with the loss and never saturates. Each model is converted alone, so that the
    memory for float64 is that of one model.

    Args:
        logits: ... x P x C, of any number of models.
        labels: P classes.

    Returns:
        ... x P margins, in nats, float64.
    """
    if labels.shape != logits.shape[-2:-1]:
        raise ValueError(f"{labels.shape} labels for logits of {logits.shape}: one a point")
    *axes, n_points, n_classes = logits.shape
    model_logits = logits.reshape(math.prod(axes), n_points, n_classes)
    values = np.empty((len(model_logits), n_points))
    for row, logits_of_model in enumerate(model_logits):
        values[row] = -log_odds_against(logits_of_model, labels)
    return values.reshape(logits.shape[:-1])


def label_probabilities(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The softmax probability of every point's label, ... x P, float64; see `margins`."""
    return expit(margins(logits, labels))
