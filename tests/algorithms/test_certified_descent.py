"""The loop of certified descent, its gradients, and an audit of the loop from below."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.certified import certified_task, few_digits
from unlearn.algorithms.certified.descent import Step, descend, projection
from unlearn.algorithms.certified.regression import Regression
from unlearn.certificates.calibration import (
    descent_to_delete_closed_form,
    langevin_closed_form,
    sigma_for,
)
from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.constants import Constant, Constants
from unlearn.certificates.lower_bound import mu_lower_bound
from unlearn.certificates.privacy import mu_of

CLASSES = ("two classes", "three classes")


def test_a_step_is_that_of_the_paper():
    weights = np.array([[1.0, -2.0], [0.5, 0.0]])
    gradients = np.array([[0.25, 1.0], [0.0, -1.0]])
    numbers = np.array([[1.0, 2.0], [-1.0, 0.0]])
    step = Step(rate=0.5, weight_decay=0.2, noise_sd=0.1)
    result = descend(lambda _: gradients, weights, step, 1, lambda: numbers)
    np.testing.assert_allclose(result, [[0.875, -2.1], [0.35, 0.5]], rtol=1e-15)
    assert weights[0, 0] == 1.0


def test_steps_follow_each_other():
    """On |w|^2 / 2 a step of rate 1/2 halves; the radius holds after the noise of each step."""
    draws = iter([np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]])])
    step = Step(rate=0.5, weight_decay=0.0, noise_sd=1.0, radius=1.0)
    result = descend(lambda w: w, np.zeros((1, 2)), step, 2, lambda: next(draws))
    np.testing.assert_allclose(result, [[0.3, 0.4]], rtol=1e-15)
    plain = Step(rate=0.5, weight_decay=0.0)
    assert descend(lambda w: w, np.full((1, 2), 8.0), plain, 3)[0, 0] == 1.0


def test_a_projection_moves_only_what_is_outside():
    rows = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(projection(rows, 2.0), [[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]])


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite after 1 steps"):
        descend(lambda w: w * np.inf, np.ones((1, 2)), Step(rate=1.0, weight_decay=0.0), 1)


@pytest.mark.parametrize("classes", CLASSES)
def test_gradients_are_those_of_autograd(classes):
    data = few_digits(classes)
    task = certified_task(data, "langevin")
    regression = Regression(task)
    ids = [data.base_ids, data.base_ids[::3], data.base_ids[5:40]]
    weights = np.random.default_rng(0).normal(size=(3, regression.size))
    shares = np.stack([regression.shares(model_ids) for model_ids in ids])
    gradients = regression.gradient(weights, shares)
    for row, model_ids, gradient in zip(weights, ids, gradients, strict=True):
        model = task.bare_model({regression.name: row.reshape(regression.shape)}).double()
        with torch.no_grad():  # bare models are float32
            next(model.parameters()).copy_(torch.from_numpy(row.reshape(regression.shape)))
        logits = model(task.data.images(model_ids).double())
        functional.cross_entropy(logits, task.data.labels(model_ids)).backward()
        expected = next(model.parameters()).grad.numpy().ravel()
        np.testing.assert_allclose(gradient, expected, atol=1e-14)
    norms = np.linalg.norm(regression.inputs, axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-14)


def test_a_share_is_that_of_a_point_in_the_mean():
    regression = Regression(certified_task(few_digits(), "langevin"))
    shares = regression.shares(np.array([2, 5, 7, 11]))
    assert shares.sum() == 1 and np.flatnonzero(shares).tolist() == [2, 5, 7, 11]
    with pytest.raises(ValueError, match="no training data left"):
        regression.shares(np.empty(0, dtype=np.int64))


# -- audit from below --------------------------------------------------------------------------

POINTS = 50
RATE = 0.5
DECAY = 0.3
LEARNING_STEPS = 12
STEPS = 3
QUADRATIC = Constants(*(Constant(value, "proved") for value in (1.0, DECAY, DECAY)))
DESCENT = Descent(QUADRATIC, RATE, LEARNING_STEPS, (Deletion(1, POINTS, STEPS),))
RUNS = 2000


def last_weights(deleted_points: int, noise_sd: float, seed: int) -> np.ndarray:
    """Weights of many runs on points that push away from the one that is deleted."""
    generator = np.random.default_rng(seed)

    def noise() -> np.ndarray:
        return generator.standard_normal((RUNS, 1))

    step = Step(RATE, DECAY, noise_sd)
    pull = (2 * deleted_points - POINTS) / POINTS if deleted_points else -1.0
    learned = descend(lambda w: np.full_like(w, pull), np.zeros((RUNS, 1)), step, 12, noise)
    return descend(lambda w: -np.ones_like(w), learned, step, STEPS, noise)


@pytest.mark.parametrize("rule", ["langevin", "descent_to_delete"])
def test_an_audit_catches_too_little_noise_and_no_other(rule):
    """With both rules the bound is an equality here, so that audits come near it."""
    closed_form = {
        "langevin": langevin_closed_form,
        "descent_to_delete": descent_to_delete_closed_form,
    }[rule]
    mu = mu_of(1.0, 1e-3)
    sigma = sigma_for(closed_form(DESCENT, 1.0), 1.0, 1e-3)
    is_noisy_step = rule == "langevin"

    def lower_bound(scale: float, seed: int) -> float:
        noise_sd = math.sqrt(2 * RATE) * sigma * scale if is_noisy_step else 0.0
        runs = [last_weights(deleted, noise_sd, 2 * seed + deleted)[:, 0] for deleted in (0, 1)]
        if not is_noisy_step:
            noise = np.random.default_rng(seed + 1000).standard_normal((2, RUNS))
            runs = [run + sigma * scale * z for run, z in zip(runs, noise, strict=True)]
        return mu_lower_bound(*runs)

    assert all(lower_bound(1.0, seed) <= mu for seed in range(10))
    assert all(lower_bound(0.1, seed) > 2 * mu for seed in range(10))
    assert all(lower_bound(0.25, seed) > mu for seed in range(10))


def test_the_gap_of_the_audit_is_the_bound():
    """Without noise, where points push apart as far as the constants allow."""
    gap = last_weights(1, 0.0, 0)[0, 0] - last_weights(0, 0.0, 0)[0, 0]
    assert abs(gap) == pytest.approx(langevin_closed_form(DESCENT, 1.0).gap, rel=1e-12)
