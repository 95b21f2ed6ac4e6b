"""Closed forms, and the noise and steps that a promise needs."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn.certificates.calibration import (
    descent_to_delete_closed_form,
    langevin_closed_form,
    least_steps,
    sigma_for,
)
from unlearn.certificates.chains import (
    Deletion,
    Descent,
    NoisySteps,
    descent_to_delete,
    gradient_clipping,
    langevin,
    output_noise,
    rewind,
)
from unlearn.certificates.constants import (
    Constant,
    Constants,
    fastest_rate,
    logistic_constants,
)
from unlearn.certificates.privacy import epsilon_of, mu_of

POINTS = 11_982
DELTA = 1 / POINTS
MNIST = logistic_constants(radius=1, weight_decay=0.011982)
"""Of MNIST, 3 against 8, with images of unit norm."""
LANGEVIN_RATE = 1 / MNIST.smoothness.value


def mnist_descent(
    rate: float, *, deleted_points: int = 1, steps: int = 1, learning_steps: int = 200
) -> Descent:
    ledger = (Deletion(deleted_points, POINTS, steps),)
    return Descent(MNIST, rate, learning_steps, ledger)


DESCENTS = [
    mnist_descent(LANGEVIN_RATE),
    mnist_descent(fastest_rate(MNIST), deleted_points=100, steps=60),
    Descent(MNIST, 1.0, 30, (Deletion(5, 100, 3), Deletion(1, 95, 0), Deletion(50, 94, 20))),
    Descent(logistic_constants(2, 0), 0.5, 30, (Deletion(5, 100, 3), Deletion(1, 95, 7))),
    Descent(MNIST, 2.0, 10, ()),
    Descent(MNIST, 2.0, 10_000, (Deletion(5, 100, 2000),)),
]


@pytest.mark.parametrize("descent", DESCENTS)
def test_closed_forms_are_the_general_contraction(descent):
    pairs = [
        (langevin_closed_form, langevin),
        (descent_to_delete_closed_form, descent_to_delete),
    ]
    for closed_form, chain in pairs:
        for sigma in (0.03, 10):
            assert closed_form(descent, sigma) == pytest.approx(chain(descent, sigma), rel=1e-9)


def test_closed_forms_of_one_request_are_those_of_the_papers():
    descent = mnist_descent(LANGEVIN_RATE, deleted_points=30, steps=4)
    m = 0.011982
    rho = 1 - LANGEVIN_RATE * m
    gap = rho**4 * (1 - rho**200) * 2 * 30 / (POINTS * m)
    variance = 2 * LANGEVIN_RATE * 0.1**2 * (1 - rho ** (2 * 204)) / (1 - rho**2)
    closed_form = langevin_closed_form(descent, 0.1)
    assert closed_form == pytest.approx((gap, gap / math.sqrt(variance)), rel=1e-12)


def test_no_noise_hides_nothing_in_closed_form():
    descent = mnist_descent(LANGEVIN_RATE)
    for closed_form in (langevin_closed_form, descent_to_delete_closed_form):
        assert closed_form(descent, 0).mu == math.inf
        assert closed_form(Descent(MNIST, 1.0, 10, ()), 0) == (0, 0)


def test_requests_of_a_stream_add_up_and_fade():
    """In the limit of many points: 2 M S_j / (n m) rho^(steps since request j)."""
    requests = [(4, 3), (1, 2), (6, 5)]
    ledger = []
    points = 10**9
    for deleted_points, steps in requests:
        ledger.append(Deletion(deleted_points, points, steps))
        points -= deleted_points
    descent = Descent(MNIST, 2.0, 3000, tuple(ledger))
    rho = 1 - 2 * 0.011982
    steps_since = (10, 7, 5)
    gap = sum(
        2 * entry.deleted_points / (1e9 * 0.011982) * rho**steps
        for entry, steps in zip(ledger, steps_since, strict=True)
    )
    assert langevin_closed_form(descent, 1).gap == pytest.approx(gap, rel=1e-6)


# -- MNIST, 3 against 8 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epsilon", "sigma"), [(0.1, 0.0360), (0.5, 0.00861), (1, 0.00465), (5, 0.00116)]
)
def test_noise_of_langevin_on_mnist(epsilon, sigma):
    unit_bound = langevin_closed_form(mnist_descent(LANGEVIN_RATE), 1)
    assert sigma_for(unit_bound, epsilon, DELTA) == pytest.approx(sigma, rel=5e-3)


@pytest.mark.parametrize(
    ("sigma", "epsilon"), [(0.094, 0.033), (0.019, 0.206), (0.0096, 0.443), (0.0021, 2.47)]
)
def test_epsilon_of_the_released_noise_of_langevin_on_mnist(sigma, epsilon):
    mu = langevin(mnist_descent(LANGEVIN_RATE), sigma).mu
    assert epsilon_of(mu, DELTA) == pytest.approx(epsilon, rel=6e-3)


@pytest.mark.parametrize(
    ("epsilon", "sigma"), [(0.1, 0.318), (0.5, 0.0761), (1, 0.0411), (5, 0.0102)]
)
def test_noise_of_descent_to_delete_on_mnist(epsilon, sigma):
    unit_bound = descent_to_delete_closed_form(mnist_descent(fastest_rate(MNIST)), 1)
    assert sigma_for(unit_bound, epsilon, DELTA) == pytest.approx(sigma, rel=3e-3)


def test_noise_of_descent_to_delete_in_an_endless_stream():
    """Of requests of a point and a step each; many points stand for points that are added."""
    points = 10**9
    ledger = tuple(Deletion(1, points - j, 1) for j in range(300))
    descent = Descent(MNIST, fastest_rate(MNIST), 200, ledger)
    bound = descent_to_delete_closed_form(descent, POINTS / points)
    assert sigma_for(bound, 1, DELTA) == pytest.approx(0.4695, rel=1e-4)


@pytest.mark.parametrize(
    ("deleted_points", "steps"), [(10, 11), (50, 45), (100, 60), (500, 94), (1000, 109)]
)
def test_least_steps_of_langevin_on_mnist(deleted_points, steps):
    def promise(steps: int) -> bool:
        descent = mnist_descent(
            LANGEVIN_RATE, deleted_points=deleted_points, steps=steps, learning_steps=10_000
        )
        return epsilon_of(langevin(descent, 0.03).mu, DELTA) <= 1

    assert least_steps(promise, 10_000) == steps


def test_least_steps_are_the_first_that_keep_the_promise():
    for least in range(6):
        assert least_steps(lambda steps, least=least: steps >= least, 5) == least
    with pytest.raises(ValueError, match="steps: 5 do not reach"):
        least_steps(lambda steps: steps > 5, 5)


@pytest.mark.parametrize(("steps", "gap"), [(10, 9.0e-3), (50, 4.0e-3), (90, 6.5e-4)])
def test_gap_of_rewinding_on_mnist(steps, gap):
    convex = Descent(logistic_constants(1, 0.01), 1, 100, (Deletion(1, POINTS, steps),))
    assert rewind(convex, 1).gap == pytest.approx(gap, rel=0.01)


def test_gap_of_rewinding_without_convexity():
    smoothness = Constant(0.26, "proved")
    constants = Constants(Constant(1, "proved"), smoothness, Constant(-0.26, "proved"))
    bound = rewind(Descent(constants, 1, 100, (Deletion(1, POINTS, 10),)), 1)
    formula = 2 / (0.26 * POINTS) * (1.26**90 - 1) * 1.26**10
    assert bound.gap == pytest.approx(formula, rel=1e-9) == pytest.approx(7e6, rel=0.03)


def test_gap_of_rewinding_without_decay():
    constants = logistic_constants(1, 0)
    bound = rewind(Descent(constants, 0.5, 100, (Deletion(7, 1000, 10),)), 1)
    assert bound.gap == pytest.approx(2 * 0.5 * 7 * 90 / 1000)


# -- noisy fine-tuning -----------------------------------------------------------------------------


def test_noise_of_gradient_clipping():
    noisy_steps = NoisySteps(rate=1e-4, weight_decay=750, steps=6)
    unit_bound = gradient_clipping(0.01, 10, noisy_steps, 1)
    assert sigma_for(unit_bound, 1, 1e-5) == pytest.approx(0.0409, rel=2e-3)


def test_radius_of_one_noisy_step():
    assert sigma_for(output_noise(0.00402, 1), 1, 1e-5) == pytest.approx(0.03, rel=1e-3)


def test_noise_of_the_theorem_on_gradient_clipping_suffices():
    """sigma^2 = 9 ln(1/delta) (C0 + C1 eta T)^2 / (epsilon^2 T), without decay."""
    sigma = 3 * math.sqrt(math.log(1e5)) * (0.2 + 0.5 * 0.1 * 8) / math.sqrt(8)
    noisy_steps = NoisySteps(rate=0.1, weight_decay=0, steps=8)
    mu = gradient_clipping(0.2, 0.5, noisy_steps, sigma).mu
    assert epsilon_of(mu, 1e-5) == pytest.approx(0.71, abs=0.005)


# -- properties ------------------------------------------------------------------------------------

RATES = st.floats(0.01, 7)
SIZES = st.integers(1, 500)
STEPS = st.integers(0, 60)


@settings(max_examples=40, deadline=None)
@given(RATES, SIZES, STEPS, st.floats(0.01, 10))
def test_calibrated_noise_gives_the_promised_epsilon(rate, deleted_points, steps, epsilon):
    descent = Descent(MNIST, rate, 20, (Deletion(deleted_points, 1000, steps),))
    for chain in (langevin, descent_to_delete):
        sigma = sigma_for(chain(descent, 1), epsilon, DELTA)
        mu = chain(descent, sigma).mu
        assert mu == pytest.approx(mu_of(epsilon, DELTA), rel=1e-12)
        assert epsilon_of(mu, DELTA) == pytest.approx(epsilon, rel=1e-11)
        assert chain(descent, sigma * 1.01).mu < mu < chain(descent, sigma * 0.99).mu


@settings(max_examples=40, deadline=None)
@given(RATES, SIZES, STEPS)
def test_mu_rises_with_deleted_points_and_falls_with_steps(rate, deleted_points, steps):
    def mu(chain, deleted_points: int, steps: int) -> float:
        return chain(Descent(MNIST, rate, 60, (Deletion(deleted_points, 1000, steps),)), 1).mu

    for chain in (langevin, descent_to_delete, rewind):
        assert mu(chain, deleted_points, steps) <= mu(chain, deleted_points + 1, steps)
    for chain in (langevin, descent_to_delete):
        assert mu(chain, deleted_points, steps + 1) < mu(chain, deleted_points, steps)
    if steps < 60:
        assert mu(rewind, deleted_points, steps + 1) < mu(rewind, deleted_points, steps)


def test_closed_forms_without_convexity_are_refused():
    constants = Constants(*(Constant(value, "proved") for value in (1, 1, -1)))
    for closed_form in (langevin_closed_form, descent_to_delete_closed_form):
        with pytest.raises(ValueError, match=r"rho: 1\.5 is not allowed; allowed: at most 1"):
            closed_form(Descent(constants, 0.5, 10, (Deletion(1, 10, 1),)), 1)
