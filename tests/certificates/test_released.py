"""The rules of the released programs, against the numbers that these print."""

import numpy as np
import pytest

from unlearn.certificates.calibration import least_steps
from unlearn.certificates.chains import Deletion, Descent, langevin
from unlearn.certificates.constants import Constant, Constants, logistic_constants
from unlearn.certificates.privacy import epsilon_of
from unlearn.certificates.released import (
    released_descent_to_delete_sigma,
    released_langevin_epsilon,
)

POINTS = 11_982
DELTA = 1 / POINTS
DECAY = 0.011982
PROVED = logistic_constants(radius=1, weight_decay=DECAY)
MEASURED = Constants(
    gradient_bound=Constant(1.0, "proved"),
    smoothness=Constant(0.1947, "estimated"),
    convexity=Constant(DECAY, "proved"),
)
"""With the smoothness that the authors' tables take from the data."""


def descent(deleted_points: int, steps: int) -> Descent:
    rate = 1 / MEASURED.smoothness.value
    return Descent(MEASURED, rate, 10_000, (Deletion(deleted_points, POINTS, steps),))


@pytest.mark.parametrize(
    ("deleted_points", "steps"), [(10, 581), (50, 1231), (100, 1491), (500, 2081), (1000, 2331)]
)
def test_steps_of_langevin(deleted_points, steps):
    """The released search tries 1, 11, 21 and so on."""
    least = least_steps(
        lambda tens: (
            released_langevin_epsilon(descent(deleted_points, 10 * tens + 1), 0.03, DELTA) <= 1
        ),
        1000,
    )
    assert 10 * least + 1 == steps


@pytest.mark.parametrize(
    ("sigma", "epsilon"), [(0.094, 0.1), (0.019, 0.5), (0.0096, 1), (0.0021, 5)]
)
def test_noise_of_langevin_has_the_epsilon_of_its_label(sigma, epsilon):
    released_epsilon = released_langevin_epsilon(descent(1, 1), sigma, DELTA)
    assert released_epsilon == pytest.approx(epsilon, rel=0.012)
    assert epsilon_of(langevin(descent(1, 1), sigma).mu, DELTA) < released_epsilon / 2


def test_the_best_order_is_the_best_of_a_fine_grid():
    orders = np.geomspace(2, 1e4, 1_000_001)[1:]
    for deleted_points, steps, sigma in ((1, 1, 0.094), (1, 1, 2e-4), (300, 1500, 0.03)):
        c = 4 * (deleted_points / POINTS / sigma) ** 2 / DECAY
        fading = np.exp(-DECAY * steps / 0.1947 / orders)
        grid = c * orders * fading - np.log(DELTA) / (orders - 1)
        epsilon = released_langevin_epsilon(descent(deleted_points, steps), sigma, DELTA)
        assert grid.min() * (1 - 1e-5) < epsilon < grid.min() * (1 + 1e-9)


@pytest.mark.parametrize(
    ("constants", "epsilon", "sigma"),
    [(MEASURED, 0.1, 18.46), (MEASURED, 1, 1.889), (MEASURED, 5, 0.4121), (PROVED, 1, 2.58)],
)
def test_noise_of_descent_to_delete(constants, epsilon, sigma):
    deletion = Deletion(1, POINTS, 1)
    released_sigma = released_descent_to_delete_sigma(constants, deletion, epsilon, DELTA)
    assert released_sigma == pytest.approx(sigma, rel=2e-3)


def test_more_steps_of_descent_to_delete_need_less_noise():
    sigmas = [
        released_descent_to_delete_sigma(PROVED, Deletion(1, POINTS, steps), 1, DELTA)
        for steps in (1, 2)
    ]
    g = (PROVED.smoothness.value - DECAY) / (PROVED.smoothness.value + DECAY)
    assert sigmas[1] / sigmas[0] == pytest.approx(g / (1 + g))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: released_langevin_epsilon(Descent(PROVED, 1, 1, ()), 1, DELTA), "ledger: 0 requests; allowed: 1"),
        (lambda: released_langevin_epsilon(descent(1, 1), 0, DELTA), "sigma: 0 is not allowed"),
        (lambda: released_langevin_epsilon(descent(1, 1), 1, 1), "delta: 1 is not allowed"),
        (lambda: released_langevin_epsilon(Descent(logistic_constants(1, 0), 1, 1, (Deletion(1, 9, 1),)), 1, DELTA), "convexity: 0 is not allowed"),
        (lambda: released_descent_to_delete_sigma(PROVED, Deletion(2, 9, 1), 1, DELTA), "deleted_points: 2 is not allowed"),
        (lambda: released_descent_to_delete_sigma(PROVED, Deletion(1, 9, 0), 1, DELTA), "steps: 0 is not allowed"),
        (lambda: released_descent_to_delete_sigma(PROVED, Deletion(1, 9, 1), 0, DELTA), "epsilon: 0 is not allowed"),
    ],
)  # fmt: skip
def test_what_the_rules_do_not_cover_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
