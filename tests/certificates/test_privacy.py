"""Conversions between mu and (epsilon, delta)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from unlearn.certificates.privacy import delta_of, epsilon_of, mu_of

MUS = {0.1: 0.03252, 0.5: 0.14221, 1: 0.26805, 2: 0.50155, 5: 1.12124, 10: 2.00045}
"""mu by epsilon, at delta 1e-5."""


@pytest.mark.parametrize("epsilon", MUS)
def test_mu_at_a_delta_of_1e_5(epsilon):
    assert mu_of(epsilon, 1e-5) == pytest.approx(MUS[epsilon], abs=5e-6)


def test_single_conversions():
    assert mu_of(1, 1e-4) == pytest.approx(0.31390, abs=5e-6)
    assert mu_of(1, 1 / 11982) == pytest.approx(0.30953, abs=5e-6)
    assert delta_of(1, 1) == pytest.approx(0.126937, abs=5e-7)
    assert epsilon_of(1, 1e-5) == pytest.approx(4.37718, abs=5e-6)


@pytest.mark.parametrize(
    ("renyi_epsilon", "epsilon"), [(0.1, 1.76), (1, 6.57), (10, 28.4), (100, 159)]
)
def test_epsilon_of_a_gaussian_with_a_renyi_epsilon_per_order(renyi_epsilon, epsilon):
    assert epsilon_of(math.sqrt(2 * renyi_epsilon), 1e-5) == pytest.approx(epsilon, rel=5e-3)


DELTAS = [
    (0.0, 1e-12, 3.9894228040143267e-13),
    (1e-9, 1e-6, 3.9844248007176086e-7),
    (1e-8, 1e-9, 7.4745602919621614e-34),
    (0.5, 0.05, 4.7972913626623444e-26),
    (3.0, 0.9, 0.00041341642400260751),
    (1.0, 1.0, 0.12693673750664395),
    (2.0, 1.0000001, 0.020923648772875734),
    (2.0, 4.0, 0.8873092332833976),
    (30.0, 5.0, 0.00013132627111337326),
    (100.0, 12.0, 0.0079946722986068856),
    (3000.0, 70.0, 1.7635903594987469e-15),
]
"""Epsilon, mu, and delta by the definition in arithmetic of 80 digits."""


@pytest.mark.parametrize(("epsilon", "mu", "delta"), DELTAS)
def test_delta_has_the_digits_of_long_arithmetic(epsilon, mu, delta):
    assert delta_of(epsilon, mu) == pytest.approx(delta, rel=2e-13, abs=0)


@pytest.mark.parametrize(("epsilon", "mu", "delta"), DELTAS[1:])
def test_roots_have_the_digits_of_long_arithmetic(epsilon, mu, delta):
    rounding_of_delta = 2e-16 * mu
    assert epsilon_of(mu, delta) == pytest.approx(epsilon, rel=2e-15, abs=rounding_of_delta)
    assert mu_of(epsilon, delta) == pytest.approx(mu, rel=2e-15, abs=0)


def test_delta_at_epsilon_zero_is_the_total_variation():
    for mu in (1e-3, 0.5, 3, 30):
        assert delta_of(0, mu) == pytest.approx(2 * norm.cdf(mu / 2) - 1, rel=1e-12)


def test_ends_of_the_range():
    assert delta_of(0, 0) == delta_of(5, 0) == 0
    assert delta_of(5, math.inf) == delta_of(5, 1e300) == 1
    assert delta_of(1e300, 1) == delta_of(1e300, 1e-10) == delta_of(700, 1e-3) == 0
    assert epsilon_of(0, 1e-5) == 0 and epsilon_of(math.inf, 1e-5) == math.inf
    assert epsilon_of(1e-5, 1e-5) == 0 and epsilon_of(1e200, 1e-5) == math.inf
    assert epsilon_of(1e5, 1e-5) == pytest.approx(5e9, rel=1e-3)
    assert mu_of(0, 1e-9) == pytest.approx(math.sqrt(2 * math.pi) * 1e-9)


MU = st.floats(-3, 4).map(lambda exponent: 10**exponent)
DELTA = st.floats(-12, -0.3).map(lambda exponent: 10**exponent)


@settings(deadline=None)
@given(MU, DELTA)
def test_conversions_come_back(mu, delta):
    epsilon = epsilon_of(mu, delta)
    if epsilon > 1e-9:
        assert mu_of(epsilon, delta) == pytest.approx(mu, rel=1e-12)
        assert delta_of(epsilon, mu) == pytest.approx(delta, rel=1e-9)
    else:
        assert delta_of(0, mu) <= delta * (1 + 1e-6)


@settings(deadline=None)
@given(MU, st.floats(0, 50), st.floats(1.01, 2))
def test_delta_rises_with_mu_and_falls_with_epsilon(mu, epsilon, factor):
    assert delta_of(epsilon, mu) <= delta_of(epsilon, mu * factor)
    assert delta_of(epsilon, mu) >= delta_of(epsilon * factor, mu)


def test_no_test_between_two_gaussians_beats_delta():
    """Rates of threshold tests: TPR <= exp(epsilon) FPR + delta, with equality for the best."""
    thresholds = np.linspace(-10, 12, 20001)
    for mu, epsilon in ((0.3, 0.2), (1, 1), (3, 5)):
        excess = norm.sf(thresholds - mu) - math.exp(epsilon) * norm.sf(thresholds)
        assert excess.max() == pytest.approx(delta_of(epsilon, mu), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: delta_of(-1, 1), "epsilon: -1 is not allowed; allowed: finite numbers of at least 0"),
        (lambda: delta_of(math.inf, 1), "epsilon: inf is not allowed"),
        (lambda: delta_of(1, math.nan), "mu: nan is not allowed; allowed: numbers of at least 0"),
        (lambda: epsilon_of(-0.1, 0.1), "mu: -0.1 is not allowed"),
        (lambda: epsilon_of(1, 0), "delta: 0 is not allowed; allowed: numbers between 0 and 1"),
        (lambda: mu_of(1, 1), "delta: 1 is not allowed"),
        (lambda: mu_of(-1, 0.5), "epsilon: -1 is not allowed"),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
