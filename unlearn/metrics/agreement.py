"""How alike the predictions of two models are, and of a model and untrained networks.

Logits are N x C of the same N points. Every metric is None for no points.
"""

from collections.abc import Sequence

import numpy as np

from unlearn.metrics.divergence import jensen_shannon, log_softmax

MIN_RANDOM_NETWORKS = 5
"""The zero-retrain forgetting score is a mean over at least so many untrained networks."""


def agreement(reference: np.ndarray, logits: np.ndarray) -> float | None:
    """Share of points that both models give to one class, in 0..1; also called completeness.

    Ties go to the lowest class in both. Two oracles agree on less than 1: print their share beside.
    """
    if len(reference) == 0:
        return None
    return float(np.mean(reference.argmax(axis=1) == logits.argmax(axis=1)))


def activation_distance(reference: np.ndarray, logits: np.ndarray) -> float | None:
    """Mean over points of the Euclidean distance of the probabilities, in 0..sqrt 2."""
    if len(reference) == 0:
        return None
    return float(_probability_distances(reference, logits).mean())


def activation_rms(reference: np.ndarray, logits: np.ndarray) -> float | None:
    """Root of the mean square of the distances of `activation_distance`, in 0..sqrt 2."""
    if len(reference) == 0:
        return None
    return float(np.sqrt(np.square(_probability_distances(reference, logits)).mean()))


def zero_retrain_forgetting(
    logits: np.ndarray, random_logits: Sequence[np.ndarray]
) -> float | None:
    """1 less the mean Jensen-Shannon divergence from untrained networks, in 1 - ln 2..1.

    The right value is that of the oracle, not 1. Compare all models with the same networks.

    Args:
        logits: N x C, of the forget set.
        random_logits: the same of at least `MIN_RANDOM_NETWORKS` untrained networks.

    Raises:
        ValueError: There are fewer networks.

    References:
        Chundawat et al., Can bad teaching induce forgetting?, AAAI 2023.
    """
    if len(random_logits) < MIN_RANDOM_NETWORKS:
        raise ValueError(
            f"random_logits: {len(random_logits)}; allowed are {MIN_RANDOM_NETWORKS} or more"
        )
    if len(logits) == 0:
        return None
    return 1 - float(np.mean([jensen_shannon(logits, network) for network in random_logits]))


def _probability_distances(reference: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The Euclidean distance of the probabilities of each point, N."""
    difference = np.exp(log_softmax(reference)) - np.exp(log_softmax(logits))
    return np.sqrt(np.square(difference).sum(axis=1))
