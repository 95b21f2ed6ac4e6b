"""Temperatures, and calibrated divergences, against closed forms."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from unlearn.metrics.accuracy import mean_loss
from unlearn.metrics.calibration import temperature
from unlearn.metrics.divergence import kl


def sample(points: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels drawn from their softmax, so that the best temperature is about 1."""
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(points, 5))
    return logits, (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)


def test_the_temperature_of_two_classes_has_a_closed_form():
    """Three of four points are right by a logit of 2: p = 3 / 4 at 2 / T = ln 3."""
    logits = np.array([[2.0, 0]] * 4)
    value = temperature(logits, np.array([0, 0, 0, 1]))
    assert value == pytest.approx(2 / math.log(3))


def test_the_temperature_minimises_the_loss():
    logits, labels = sample()
    value = temperature(logits, labels)
    best = minimize_scalar(
        lambda t: mean_loss(logits / t, labels), bounds=(0.1, 10), options={"xatol": 1e-8}
    )
    assert value == pytest.approx(best.x, abs=1e-5)
    assert value == pytest.approx(1, abs=0.1)


def test_the_temperature_scales_with_the_logits():
    logits, labels = sample()
    value = temperature(logits, labels)
    assert temperature(7 * logits.astype(np.float32), labels) == pytest.approx(7 * value, rel=1e-5)


def test_the_search_ends_for_models_that_never_err_and_always_err():
    logits = np.array([[5.0, 0], [0, 5]])
    assert temperature(logits, np.array([0, 1])) == pytest.approx(0.01)
    assert temperature(logits, np.array([1, 0])) == pytest.approx(100)


def test_temperatures_leave_out_what_confidence_alone_explains():
    logits, labels = sample()
    confident = 3 * logits
    scaled = [z / temperature(z[:1000], labels[:1000]) for z in (logits, confident)]
    assert kl(logits[1000:], confident[1000:]) > 0.5
    assert kl(scaled[0][1000:], scaled[1][1000:]) == pytest.approx(0, abs=1e-9)


def test_calibration_points_are_needed():
    with pytest.raises(ValueError, match="no calibration points"):
        temperature(np.empty((0, 3)), np.empty(0, int))
    with pytest.raises(ValueError, match="not finite"):
        temperature(np.array([[np.nan, 0]]), np.array([0]))
