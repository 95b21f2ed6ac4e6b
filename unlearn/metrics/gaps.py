"""Scores that join several gaps between a model and the oracle of its seed.

All inputs are fractions in 0..1, one row a seed: row s of a method is compared with row s of the
oracle. The mean over seeds comes last, since gaps of opposite sign must not cancel.
"""

import numpy as np


def average_gap(values: np.ndarray, oracle_values: np.ndarray) -> np.ndarray:
    """The mean absolute difference from the oracle over the metrics, for each seed, S, in 0..1.

    Both S x metrics: error on the forget set, accuracy on the retain and the test set, and success
    of an attack. NaN where a metric of the seed is missing.

    Raises:
        ValueError: The shapes differ, or a value is not in 0..1.
    """
    _check(values, oracle_values)
    return np.abs(values - oracle_values).mean(axis=1)


def tug_of_war(values: np.ndarray, oracle_values: np.ndarray) -> np.ndarray:
    """The product over the metrics of 1 less the absolute difference, for each seed, S, in 0..1.

    Both S x metrics. `tow` is of the accuracies on the forget, retain and test set. `tow_mia` has
    the success of an attack in place of the first. NaN where a metric of the seed is missing.

    Raises:
        ValueError: The shapes differ, or a value is not in 0..1.

    References:
        Zhao et al., What makes unlearning hard and what to do about it, NeurIPS 2024.
    """
    _check(values, oracle_values)
    return np.prod(1 - np.abs(values - oracle_values), axis=1)


def _check(values: np.ndarray, oracle_values: np.ndarray) -> None:
    """Raise ValueError unless both are seeds x metrics of one shape, in 0..1 or NaN."""
    shapes = [" x ".join(map(str, array.shape)) for array in (values, oracle_values)]
    if shapes[0] != shapes[1] or values.ndim != 2:
        raise ValueError(f"values: {shapes[0]} and {shapes[1]}; allowed is seeds x metrics of both")
    for array in (values, oracle_values):
        is_wrong = (array < 0) | (array > 1)
        if is_wrong.any():
            raise ValueError(f"values: {array[is_wrong][0]}; allowed are fractions in 0..1")
