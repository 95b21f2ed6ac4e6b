"""How often a model takes two classes for each other."""

import numpy as np


def confusion(logits: np.ndarray, labels: np.ndarray, classes: tuple[int, int]) -> float | None:
    """Share of the points of two classes that are predicted as the other one, in 0..1.

    None without points of the classes. Ties of logits go to the lowest class.

    Args:
        logits: N x C.
        labels: N.
        classes: The two classes.

    References:
        Goel, Prabhu, Sanyal, Lim, Torr, Kumaraguru (2022), Towards adversarial evaluations for
        inexact machine unlearning.
    """
    first, second = classes
    is_counted = (labels == first) | (labels == second)
    if not is_counted.any():
        return None
    other = np.where(labels == first, second, first)
    predictions = np.argmax(logits, axis=1)
    return float(np.mean(predictions[is_counted] == other[is_counted]))
