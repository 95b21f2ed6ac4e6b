"""delta of steps that clip the whole model, against a chain whose laws are known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from unlearn.certificates.amplification import amplified_delta, amplified_epsilon, amplified_mu
from unlearn.certificates.calibration import least_steps
from unlearn.certificates.privacy import delta_of, epsilon_of, mu_of


def sign_delta(epsilon: float, mu: float, steps: int) -> float:
    """delta of two chains w <- sign(w) mu/2 + N(0, 1) that start at -1 and 1, by threshold tests.

    No map into [-mu/2, mu/2] keeps the starts further apart.
    """
    share = 1.0
    for _ in range(steps - 1):
        share = share * norm.cdf(mu / 2) + (1 - share) * norm.sf(mu / 2)
    thresholds = np.linspace(-12, 12, 100_001)
    above = share * norm.sf(thresholds - mu / 2) + (1 - share) * norm.sf(thresholds + mu / 2)
    below = (1 - share) * norm.sf(thresholds - mu / 2) + share * norm.sf(thresholds + mu / 2)
    return (above - math.exp(epsilon) * below).max()


@pytest.mark.parametrize(("epsilon", "mu"), [(0.1, 0.5), (1, 1), (1, 3), (5, 4)])
def test_delta_is_that_of_the_worst_chain_after_one_step_and_no_less_later(epsilon, mu):
    assert amplified_delta(epsilon, mu, 1) == pytest.approx(delta_of(epsilon, mu), rel=1e-12)
    assert amplified_delta(epsilon, mu, 1) == pytest.approx(sign_delta(epsilon, mu, 1), rel=1e-6)
    deltas = [amplified_delta(epsilon, mu, steps) for steps in range(7)]
    assert deltas == sorted(deltas, reverse=True) and 0 < deltas[2] < deltas[1]
    for steps in (2, 3, 6):
        assert sign_delta(epsilon, mu, steps) <= deltas[steps]


def test_delta_at_epsilon_zero_is_a_power():
    """The total variation shrinks by the same factor in every step."""
    total_variation = 2 * norm.cdf(0.6) - 1
    for steps in (0, 1, 2, 9):
        assert amplified_delta(0, 1.2, steps) == pytest.approx(total_variation**steps, rel=1e-12)


def test_two_steps_by_hand():
    first = delta_of(0.7, 2)
    second = first * delta_of(math.log(1 + (math.exp(0.7) - 1) / first), 2)
    assert amplified_delta(0.7, 2, 2) == pytest.approx(second, rel=1e-12)


def test_delta_falls_to_zero_and_stays():
    assert amplified_delta(1, 0.5, 1000) == 0
    assert amplified_delta(800, 50, 3) == pytest.approx(delta_of(800, 50) ** 3, rel=1e-2)
    assert amplified_epsilon(0.5, 1000, 1e-5) == 0
    assert amplified_epsilon(0.2, 1, 1e-5) < 1  # C2 .001 and sigma .01


def test_without_a_step_or_noise_nothing_is_promised():
    assert amplified_delta(3, 1, 0) == amplified_delta(3, math.inf, 5) == 1
    assert amplified_epsilon(1, 0, 1e-5) == amplified_epsilon(math.inf, 3, 1e-5) == math.inf


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 6), st.integers(1, 8), st.floats(-9, -1))
def test_roots_come_back(mu, steps, exponent):
    delta = 10**exponent
    epsilon = amplified_epsilon(mu, steps, delta)
    assert epsilon <= epsilon_of(mu, delta) * (1 + 1e-12)
    assert amplified_epsilon(mu, steps + 1, delta) <= epsilon
    if epsilon > 1e-6:
        assert amplified_delta(epsilon, mu, steps) == pytest.approx(delta, rel=1e-9)
        assert amplified_mu(epsilon, steps, delta) == pytest.approx(mu, rel=1e-9)
        assert amplified_mu(epsilon, steps, delta) >= mu_of(epsilon, delta) * (1 - 1e-12)


def test_the_first_step_that_suffices():
    steps = least_steps(lambda steps: amplified_delta(1, 2.0, steps) <= 1e-5, 100)
    assert amplified_delta(1, 2.0, steps) <= 1e-5 < amplified_delta(1, 2.0, steps - 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: amplified_delta(-1, 1, 1), "epsilon: -1 is not allowed"),
        (lambda: amplified_delta(1, -1, 1), "mu: -1 is not allowed"),
        (lambda: amplified_delta(1, 1, 1.5), "steps: 1.5 is not allowed"),
        (lambda: amplified_epsilon(1, 1, 0), "delta: 0 is not allowed"),
        (lambda: amplified_mu(1, 0, 0.1), "steps: 0 is not allowed; allowed: whole numbers from 1"),
        (lambda: amplified_mu(1, 1, 1), "delta: 1 is not allowed"),
    ],
)
def test_numbers_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
