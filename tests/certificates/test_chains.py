"""The chains of each rule, against the chains themselves: exact on quadratics, paired on digits."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.datasets import load_digits

from unlearn.certificates.chains import (
    Deletion,
    Descent,
    NoisySteps,
    descent_to_delete,
    gradient_clipping,
    langevin,
    model_clipping,
    output_noise,
    removal,
    rewind,
)
from unlearn.certificates.constants import (
    Constant,
    Constants,
    fastest_rate,
    logistic_constants,
    softmax_constants,
)

M = 1.5
DECAY = 0.2
RATE = 0.3
SIGMA = 0.04
T = 40
LEDGER = (
    Deletion(deleted_points=3, points=50, steps=4),
    Deletion(deleted_points=1, points=47, steps=0),
    Deletion(deleted_points=6, points=46, steps=9),
    Deletion(deleted_points=2, points=40, steps=2),
)
"""Four requests to 50 points."""


def quadratic(decay: float = DECAY) -> Constants:
    """Of the loss g w + decay / 2 w^2 of a point whose gradient g is at most M."""
    curvature = Constant(decay, "proved")
    return Constants(Constant(M, "proved"), curvature, curvature)


def descent(ledger: tuple[Deletion, ...] = LEDGER, learning_steps: int = T) -> Descent:
    return Descent(quadratic(), RATE, learning_steps, ledger)


def data_sets(ledger: tuple[Deletion, ...]) -> list[np.ndarray]:
    """Gradients of the points while learning and after each request.

    Deleted points have M, all others -M: no points move the weights further apart.
    """
    gradients = np.full(ledger[0].points, -M)
    gradients[: sum(deletion.deleted_points for deletion in ledger)] = M
    sets = [gradients]
    for deletion in ledger:
        sets.append(sets[-1][deletion.deleted_points :])
    return sets


def means(ledger: tuple[Deletion, ...], steps: list[int]) -> tuple[float, float]:
    """The weight without noise, of unlearning and of the chain that never saw the points."""
    sets = data_sets(ledger)
    unlearned = reference = 0.0
    for gradients, phase_steps in zip(sets, steps, strict=True):
        for _ in range(phase_steps):
            unlearned -= RATE * (gradients.mean() + DECAY * unlearned)
            reference -= RATE * (sets[-1].mean() + DECAY * reference)
    return unlearned, reference


def steps_of(ledger: tuple[Deletion, ...]) -> list[int]:
    return [T, *(deletion.steps for deletion in ledger)]


@pytest.mark.parametrize("requests", [1, 2, 3, 4])
def test_langevin_on_a_quadratic_is_exact_over_a_stream(requests):
    ledger = LEDGER[:requests]
    unlearned, reference = means(ledger, steps_of(ledger))
    variance = 0.0
    for _ in range(sum(steps_of(ledger))):
        variance = (1 - RATE * DECAY) ** 2 * variance + 2 * RATE * SIGMA**2
    gap = abs(unlearned - reference)
    assert gap > 0.01
    bound = langevin(descent(ledger), SIGMA)
    assert bound == pytest.approx((gap, gap / math.sqrt(variance)), rel=1e-9)


@pytest.mark.parametrize("requests", [1, 2, 3, 4])
def test_descent_to_delete_on_a_quadratic_is_exact_over_a_stream(requests):
    ledger = LEDGER[:requests]
    unlearned, reference = means(ledger, steps_of(ledger))
    gap = abs(unlearned - reference)
    bound = descent_to_delete(descent(ledger), SIGMA)
    assert bound == pytest.approx((gap, gap / SIGMA), rel=1e-9)


@pytest.mark.parametrize("steps", [0, 1, 15, T])
def test_rewind_on_a_quadratic_is_exact(steps):
    ledger = (*LEDGER[:2], Deletion(deleted_points=6, points=46, steps=steps))
    sets = data_sets(ledger)
    unlearned = reference = 0.0
    for step in range(T):
        gradients = sets[0] if step < T - steps else sets[-1]
        unlearned -= RATE * (gradients.mean() + DECAY * unlearned)
        reference -= RATE * (sets[-1].mean() + DECAY * reference)
    gap = abs(unlearned - reference)
    bound = rewind(descent(ledger), SIGMA)
    assert bound == pytest.approx((gap, gap / SIGMA), rel=1e-9)


def test_requests_in_one_are_those_in_a_row_without_steps_between():
    split = (Deletion(3, 50, 0), Deletion(4, 47, 8))
    together = (Deletion(7, 50, 8),)
    for chain in (langevin, descent_to_delete, rewind):
        assert chain(descent(split), SIGMA) == pytest.approx(chain(descent(together), SIGMA))


def test_gradient_clipping_is_exact_where_gradients_point_away():
    """Starts at +-C0, and clipped gradients of +-C1 that keep the weights apart."""
    start_radius = 0.3
    gradient_radius = 0.7
    gap = 2 * start_radius
    variance = 0.0
    for steps in range(1, 6):
        gap = (1 - RATE * DECAY) * gap + 2 * RATE * gradient_radius
        variance = (1 - RATE * DECAY) ** 2 * variance + SIGMA**2
        noisy_steps = NoisySteps(RATE, DECAY, steps)
        bound = gradient_clipping(start_radius, gradient_radius, noisy_steps, SIGMA)
        assert bound == pytest.approx((gap, gap / math.sqrt(variance)), rel=1e-12)


def test_one_step_without_gradient_or_decay_is_output_noise():
    noisy_steps = NoisySteps(rate=RATE, weight_decay=0, steps=1)
    assert gradient_clipping(0.3, 0, noisy_steps, SIGMA) == output_noise(0.3, SIGMA)
    assert output_noise(0.3, SIGMA) == pytest.approx((0.6, 0.6 / SIGMA))


def test_model_clipping_is_output_noise_of_its_last_step():
    assert model_clipping(0.001, 0.01) == output_noise(0.001, 0.01) == pytest.approx((0.002, 0.2))


def test_removal_adds_up_classifiers_with_noise_of_their_own():
    assert removal((3.0, 4.0), 10) == pytest.approx((5, 0.5))
    assert removal((0.0,), 10) == (0, 0)
    assert removal((1.0,), 0) == (1, math.inf)


def test_no_request_leaves_nothing_to_hide():
    for chain in (langevin, descent_to_delete, rewind):
        assert chain(descent(()), SIGMA) == (0, 0)


def test_noise_of_zero_hides_nothing():
    for chain in (langevin, descent_to_delete, rewind):
        assert chain(descent(), 0).mu == math.inf


# -- on digits -------------------------------------------------------------------------------------

Gradient = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def logistic_gradient(weights: np.ndarray, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of the mean loss; labels are digits, 3 against all others."""
    signs = np.where(labels == 3, 1, -1)
    slopes = -signs * expit(-signs * (inputs @ weights))
    return inputs.T @ slopes / len(labels)


def softmax_gradient(weights: np.ndarray, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of the mean loss, one column of weights a class."""
    residuals = softmax(inputs @ weights, axis=1) - np.eye(10)[labels]
    return inputs.T @ residuals / len(labels)


def run(
    gradient: Gradient, ledger: tuple[Deletion, ...], settings: Descent, *, is_reference: bool
) -> np.ndarray:
    """Langevin weights of 60 digits of unit norm after learning and a ledger, noise by step."""
    digits = load_digits()
    inputs = digits.data[:60] / np.linalg.norm(digits.data[:60], axis=1, keepdims=True)
    labels = digits.target[:60]
    first = 0
    forgotten = sum(deletion.deleted_points for deletion in ledger)
    shape = (64,) if gradient is logistic_gradient else (64, 10)
    weights = np.zeros(shape)
    generator = np.random.default_rng(0)
    for phase, steps in enumerate([settings.learning_steps, *(entry.steps for entry in ledger)]):
        first += ledger[phase - 1].deleted_points if phase else 0
        ids = slice(forgotten if is_reference else first, None)
        for _ in range(steps):
            slope = gradient(weights, inputs[ids], labels[ids])
            slope = slope + settings.constants.convexity.value * weights
            noise = math.sqrt(2 * settings.rate) * SIGMA * generator.normal(size=shape)
            weights = weights - settings.rate * slope + noise
    return weights


@pytest.mark.parametrize("gradient", [logistic_gradient, softmax_gradient])
def test_the_gap_of_digits_at_equal_noise_is_within_the_bound(gradient):
    is_logistic = gradient is logistic_gradient
    constants = (logistic_constants if is_logistic else softmax_constants)(1, 0.02)
    ledger = (Deletion(2, 60, 5), Deletion(10, 58, 3))
    settings = Descent(constants, fastest_rate(constants), 50, ledger)
    unlearned = run(gradient, ledger, settings, is_reference=False)
    reference = run(gradient, ledger, settings, is_reference=True)
    gap = np.linalg.norm(unlearned - reference)
    bound = langevin(settings, SIGMA).gap
    assert bound / 100 < gap <= bound


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Deletion(0, 50), "deleted_points: 0 is not allowed; allowed: whole numbers from 1 to 49"),
        (lambda: Deletion(50, 50), "deleted_points: 50 is not allowed"),
        (lambda: Deletion(1, 50, -1), "steps: -1 is not allowed; allowed: whole numbers from 0 on"),
        (lambda: Deletion(1, 50, 1.5), "steps: 1.5 is not allowed"),
        (lambda: Deletion(1, 50, 1, (-0.1,)), "beta: -0.1 is not allowed"),
        (lambda: descent((Deletion(1, 50), Deletion(1, 50))), "points of request 2: 50 is not allowed; allowed: 49"),
        (lambda: Descent(quadratic(), 0, T, LEDGER), "rate: 0 is not allowed"),
        (lambda: descent(learning_steps=-1), "learning_steps: -1 is not allowed"),
        (lambda: langevin(descent(), -1), "sigma: -1 is not allowed"),
        (lambda: descent_to_delete(descent(), math.nan), "sigma: nan is not allowed"),
        (lambda: rewind(descent((Deletion(1, 50, T + 1),)), 1), "steps: 41 is not allowed; allowed: whole numbers from 0 to 40"),
        (lambda: output_noise(-1, 1), "start_radius: -1 is not allowed"),
        (lambda: gradient_clipping(1, -1, NoisySteps(1, 0, 1), 1), "gradient_radius: -1"),
        (lambda: NoisySteps(-1, 0, 1), "rate: -1"),
        (lambda: NoisySteps(1, -1, 1), "weight_decay: -1"),
        (lambda: removal((), 1), "beta: no classifier"),
        (lambda: removal((-1.0,), 1), "beta: -1.0"),
    ],
)  # fmt: skip
def test_records_that_are_no_chain_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
