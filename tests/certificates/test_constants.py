"""Constants of losses, against gradients and Hessians of real digits."""

import math

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.datasets import load_digits

from unlearn.certificates.constants import (
    Constant,
    Constants,
    contraction_factor,
    fastest_rate,
    logistic_constants,
    softmax_constants,
)

DECAY = 0.05


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    """200 digits of norm at most 2."""
    images = load_digits().data[:200]
    return 2 * images / np.linalg.norm(images, axis=1).max()


def test_no_point_and_no_weights_exceed_the_constants_of_logistic_regression(inputs):
    constants = logistic_constants(radius=2, weight_decay=DECAY)
    generator = np.random.default_rng(0)
    norms = []
    curvatures = []
    for scale in (0, 0.1, 1, 10):
        weights = scale * generator.normal(size=inputs.shape[1])
        for sign in (1, -1):
            slopes = expit(-sign * (inputs @ weights))
            norms.append((slopes * np.linalg.norm(inputs, axis=1)).max())
            weighted = inputs.T @ (inputs * (slopes * (1 - slopes))[:, None])
            hessian = weighted / len(inputs) + DECAY * np.eye(inputs.shape[1])
            curvatures.append(np.linalg.eigvalsh(hessian))
    assert 0.9 * constants.gradient_bound.value < max(norms) <= constants.gradient_bound.value
    assert np.max(curvatures) <= constants.smoothness.value
    assert np.min(curvatures) >= constants.convexity.value - 1e-12


def test_a_single_point_attains_the_smoothness_of_logistic_regression():
    point = np.array([2.0, 0])
    hessian = 0.25 * np.outer(point, point) + DECAY * np.eye(2)
    constants = logistic_constants(radius=2, weight_decay=DECAY)
    ends = (constants.convexity.value, constants.smoothness.value)
    assert np.linalg.eigvalsh(hessian) == pytest.approx(ends)


def test_no_point_and_no_weights_exceed_the_constants_of_softmax_regression(inputs):
    constants = softmax_constants(radius=2, weight_decay=DECAY)
    generator = np.random.default_rng(0)
    norms = []
    curvatures = []
    for scale in (0, 1, 30):
        weights = scale * generator.normal(size=(inputs.shape[1], 5))
        for point in inputs[:40]:
            probabilities = softmax(point @ weights)
            for label in range(5):
                residual = probabilities - np.eye(5)[label]
                norms.append(np.linalg.norm(np.outer(residual, point)))
            covariance = np.diag(probabilities) - np.outer(probabilities, probabilities)
            curvatures.append(np.linalg.eigvalsh(covariance).max() * (point @ point) + DECAY)
    assert 0.9 * constants.gradient_bound.value < max(norms) <= constants.gradient_bound.value
    assert max(curvatures) <= constants.smoothness.value
    assert constants.convexity.value == DECAY


def test_two_equal_classes_attain_the_smoothness_of_softmax_regression():
    probabilities = np.array([0.5, 0.5, 0])
    covariance = np.diag(probabilities) - np.outer(probabilities, probabilities)
    curvature = np.linalg.eigvalsh(covariance).max() * 3**2 + DECAY
    assert softmax_constants(3, DECAY).smoothness.value == pytest.approx(curvature)
    assert softmax_constants(3, DECAY).gradient_bound.value == pytest.approx(3 * math.sqrt(2))


def constants_of(smoothness: float, convexity: float, source: str = "proved") -> Constants:
    values = (Constant(1.0, "clipped"), Constant(smoothness, source), Constant(convexity, "proved"))
    return Constants(*values)


@pytest.mark.parametrize(
    ("smoothness", "convexity", "rate", "rho"),
    [
        (2, 0.5, 0.8, 0.6),  # 2 / (L + m): both ends alike, (L - m) / (L + m)
        (2, 0.5, 0.2, 0.9),  # slower: 1 - rate m
        (2, 0.5, 0.9, 0.8),  # faster: rate L - 1
        (2, 0, 0.9, 1),  # convex
        (2, 0, 1, 1),
        (2, 0, 1.5, 2),
        (2, -2, 0.3, 1.6),  # no convexity: 1 + rate L
        (2, 2, 0.5, 0),
    ],
)
def test_a_step_on_a_quadratic_contracts_by_the_factor(smoothness, convexity, rate, rho):
    """The worst of quadratics whose curvature lies between the constants."""
    constants = constants_of(smoothness, convexity)
    steps = abs(1 - rate * np.linspace(convexity, smoothness, 101))
    assert contraction_factor(constants, rate).value == pytest.approx(rho)
    assert steps.max() == pytest.approx(rho)


def test_the_fastest_rate_contracts_most():
    constants = constants_of(2, 0.5)
    rate = fastest_rate(constants)
    best = contraction_factor(constants, rate).value
    assert best == pytest.approx(1.5 / 2.5)
    for factor in (0.99, 1.01):
        assert contraction_factor(constants, rate * factor).value > best


@pytest.mark.parametrize("source", ["proved", "clipped", "estimated"])
def test_a_factor_is_as_sure_as_the_weakest_of_what_it_rests_on(source):
    assert contraction_factor(constants_of(2, 0.5, source), 0.1).source == source


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Constant(1.0, "guessed"), "source: 'guessed' is not allowed; allowed: proved"),
        (lambda: Constant(math.nan, "proved"), "value: nan is not allowed; allowed: finite"),
        (lambda: constants_of(1, 1.5), "convexity: 1.5 is not allowed; allowed: numbers from -1 to 1"),
        (lambda: constants_of(0, 0), "smoothness: 0 is not allowed"),
        (lambda: logistic_constants(0, 1), "radius: 0 is not allowed"),
        (lambda: softmax_constants(1, -1), "weight_decay: -1 is not allowed"),
        (lambda: contraction_factor(constants_of(1, 0), 0), "rate: 0 is not allowed"),
    ],
)  # fmt: skip
def test_constants_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
