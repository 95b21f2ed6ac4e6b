"""Agreement of predictions and gaps to a reference, by hand."""

import numpy as np
import pytest

from unlearn.metrics.agreement import activation_distance, agreement
from unlearn.metrics.average_gap import average_gap, tow


def test_agreement_counts_equal_predictions():
    reference = np.eye(10)
    logits = np.eye(10)
    logits[:3] = np.roll(logits[:3], 1, axis=1)
    assert agreement(reference, reference) == 1 and agreement(reference, logits) == 0.7
    assert agreement(np.zeros((2, 3)), np.eye(3)[:2]) == 0.5  # a tie is the lowest class
    assert agreement(np.empty((0, 3)), np.empty((0, 3))) is None


def test_the_distance_of_activations():
    one = np.log([[0.7, 0.1, 0.1, 0.1]])
    other = np.log([[0.1, 0.1, 0.1, 0.7]])
    assert activation_distance(one, other) == pytest.approx(0.8485, abs=5e-5)
    near = np.array([[1e4, 0.0]] * 4, np.float32)
    far = near.copy()
    far[0] = far[0, ::-1]
    assert activation_distance(near[:1], far[:1]) == pytest.approx(np.sqrt(2))
    assert activation_distance(near, far) == pytest.approx(0.3536, abs=5e-5)


def test_the_average_gap_is_of_pairs_and_not_of_means():
    oracle = [{"forget": 0.94}, {"forget": 0.94}]
    method = [{"forget": 0.90}, {"forget": 0.98}]
    gaps = [average_gap(a, b) for a, b in zip(oracle, method, strict=True)]
    assert np.mean(gaps) == pytest.approx(0.04)
    assert average_gap({"forget": 0.5, "attack": 0.6}, {"forget": 0.7, "attack": 0.5}) == (
        pytest.approx(0.15)
    )


@pytest.mark.parametrize("other", [{}, {"forget": None}, {"forget": 0.5, "test": 0.5}])
def test_a_gap_of_different_measures_has_no_value(other):
    assert average_gap({"forget": 0.5}, other) is None
    assert average_gap(other, {"forget": 0.5}) is None


def test_tow_multiplies_what_is_left():
    oracle = {"forget": 0.9, "retain": 0.99, "test": 0.9}
    method = {"forget": 0.95, "retain": 0.98, "test": 0.88}
    assert tow(oracle, method) == pytest.approx(0.92169, abs=5e-6)
    assert tow(oracle, oracle) == 1 and tow(oracle, {"forget": 0.9}) is None
