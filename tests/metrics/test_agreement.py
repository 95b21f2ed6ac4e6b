"""Metrics of pairs of predictions, and scores that join several gaps, against closed forms."""

import math

import numpy as np
import pytest

from unlearn.metrics.agreement import (
    activation_distance,
    activation_rms,
    agreement,
    zero_retrain_forgetting,
)
from unlearn.metrics.gaps import average_gap, tug_of_war


def logits(*rows):
    """Logits N x C of points with these probabilities."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.array(rows, dtype=float)), -1e4)


OPPOSITE = logits((1, 0)), logits((0, 1))


def test_agreement_is_the_share_of_equal_predictions():
    reference = np.eye(10)
    other = reference.copy()
    other[:3] = np.roll(other[:3], 1, axis=1)
    assert agreement(reference, reference) == 1
    assert agreement(reference, other) == pytest.approx(0.7)
    assert agreement(np.zeros((2, 3)), np.array([[1.0, 0, 0], [0, 1, 0]])) == 0.5  # ties: class 0


def test_activation_distance():
    first = logits((0.7, 0.1, 0.1, 0.1))
    second = logits((0.1, 0.1, 0.1, 0.7))
    assert activation_distance(first, second) == pytest.approx(0.8485, abs=5e-5)
    assert activation_distance(*OPPOSITE) == pytest.approx(math.sqrt(2))


def test_mean_and_root_mean_square_differ_where_one_point_of_four_does():
    reference = logits((1, 0), (1, 0), (1, 0), (1, 0))
    other = logits((1, 0), (1, 0), (1, 0), (0, 1))
    assert activation_distance(reference, other) == pytest.approx(0.3536, abs=5e-5)
    assert activation_rms(reference, other) == pytest.approx(0.7071, abs=5e-5)


def test_activation_distances_of_saturated_float32_are_finite():
    saturated = np.array([[1e4, 0, -1e4]], np.float32)
    assert activation_distance(saturated, saturated[:, ::-1]) == pytest.approx(math.sqrt(2))


def test_zero_retrain_forgetting():
    same, opposite = OPPOSITE
    assert zero_retrain_forgetting(same, [same] * 5) == 1
    assert zero_retrain_forgetting(same, [opposite] * 5) == pytest.approx(0.3069, abs=5e-5)
    mixed = zero_retrain_forgetting(same, [same] * 4 + [opposite] * 4)
    assert mixed == pytest.approx(1 - math.log(2) / 2)


def test_fewer_than_five_untrained_networks_are_refused():
    with pytest.raises(ValueError, match="random_logits: 4; allowed are 5 or more"):
        zero_retrain_forgetting(OPPOSITE[0], [OPPOSITE[0]] * 4)


def test_no_points_have_no_value():
    empty = np.empty((0, 3))
    assert agreement(empty, empty) is None
    assert activation_distance(empty, empty) is None
    assert activation_rms(empty, empty) is None
    assert zero_retrain_forgetting(empty, [empty] * 5) is None


def test_gaps_of_opposite_sign_do_not_cancel():
    """Seeds at 90 and 98 against an oracle at 94: the gap is 4, that of the means would be 0."""
    values = np.array([[0.90], [0.98]])
    oracle_values = np.array([[0.94], [0.94]])
    np.testing.assert_allclose(average_gap(values, oracle_values), 0.04)


def test_the_average_gap_is_over_metrics_of_a_seed():
    values = np.array([[0.1, 0.9, 0.8, 0.2], [0.1, np.nan, 0.8, 0.2]])
    oracle_values = np.array([[0.2, 0.9, 0.7, 0.4], [0.2, 0.9, 0.7, 0.4]])
    np.testing.assert_allclose(average_gap(values, oracle_values), [0.1, np.nan])


def test_tug_of_war():
    oracle_values = np.array([[0.5, 0.9, 0.8], [0.5, 0.9, 0.8]])
    values = oracle_values + np.array([[0.05, -0.01, 0.02], [0, 0, 0]])
    np.testing.assert_allclose(tug_of_war(values, oracle_values), [0.92169, 1])


def test_percent_and_unpaired_seeds_are_refused():
    with pytest.raises(ValueError, match=r"values: 94.0; allowed are fractions in 0..1"):
        average_gap(np.array([[0.9]]), np.array([[94.0]]))
    with pytest.raises(ValueError, match="values: 2 x 3 and 1 x 3"):
        tug_of_war(np.zeros((2, 3)), np.zeros((1, 3)))
