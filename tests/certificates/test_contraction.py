"""The general contraction, against chains whose laws are known and against the program it solves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import ndtri

from unlearn.certificates.contraction import Bound, contraction


def exact(rho: np.ndarray, shift: np.ndarray, sd: np.ndarray, gap: float = 0.0) -> Bound:
    """Distance and mu of w <- rho w + shift + noise and v <- rho v + noise on the line.

    Both chains are Gaussian with the same variance.
    """
    variance = 0.0
    for step_rho, step_shift, step_sd in zip(rho, shift, sd, strict=True):
        gap = step_rho * gap + step_shift
        variance = step_rho**2 * variance + step_sd**2
    return Bound(gap, gap / math.sqrt(variance))


def late_start(rho: np.ndarray, shift: np.ndarray, sd: np.ndarray, gap: float) -> float:
    """mu where shifts are proportional to c_t sd_t^2 from the first tau on that allows it."""
    steps = len(rho)
    c = np.array([np.prod(rho[t + 1 :]) for t in range(steps)])
    total = gap * np.prod(rho) + c @ shift
    for tau in range(steps):
        variance = (c[tau:] ** 2) @ (sd[tau:] ** 2)
        if variance == 0:
            return math.inf
        z = gap
        gaps = []
        for t in range(steps):
            z = rho[t] * z + shift[t] - (total * c[t] * sd[t] ** 2 / variance if t >= tau else 0)
            gaps.append(z)
        if min(gaps) >= -1e-12 * total:
            return total / math.sqrt(variance)
    return math.inf


def best_shifts(rho: np.ndarray, shift: np.ndarray, sd: np.ndarray, gap: float) -> float:
    """mu of the best shifts b_t sd_t, by a general solver of the quadratic program."""
    steps = len(rho)

    def gaps(b: np.ndarray) -> np.ndarray:
        z = gap
        values = []
        for t in range(steps):
            z = rho[t] * z + shift[t] - b[t] * sd[t]
            values.append(z)
        return np.array(values)

    free = gaps(np.zeros(steps))
    slopes = np.column_stack([gaps(unit) - free for unit in np.eye(steps)])
    last = {"fun": lambda b: free[-1] + slopes[-1] @ b, "jac": lambda b: slopes[-1]}
    others = {"fun": lambda b: free[:-1] + slopes[:-1] @ b, "jac": lambda b: slopes[:-1]}
    solution = minimize(
        lambda b: b @ b,
        np.full(steps, 0.1),
        jac=lambda b: 2 * b,
        method="SLSQP",
        constraints=[{"type": "eq", **last}, {"type": "ineq", **others}],
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert solution.success
    return math.sqrt(solution.fun)


def random_chain(seed: int, steps: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    generator = np.random.default_rng(seed)
    rho = generator.uniform(0.5, 1.3, size=steps)
    shift = generator.uniform(0, 1, size=steps) ** 3
    sd = generator.uniform(0.2, 1.5, size=steps)
    return rho, shift, sd, float(generator.uniform(0, 0.3))


def test_learning_and_requests_on_a_quadratic_are_exact():
    """Where shifts only fall, the bound is the exact mu; over four requests here."""
    shift = np.repeat([0.04, 0.03, 0.02, 0.005, 0], [200, 7, 11, 1, 5])
    rho = np.full(len(shift), 0.97)
    sd = np.full(len(shift), 0.03)
    assert contraction(rho, shift, sd) == pytest.approx(exact(rho, shift, sd), rel=1e-12)


@pytest.mark.parametrize("factor", [0.9, 0.9999, 1, 1.0002])
def test_ten_thousand_steps_are_exact(factor):
    generator = np.random.default_rng(0)
    rho = factor * generator.uniform(0.9999, 1, size=10_000)
    sd = generator.uniform(0.1, 0.2, size=10_000)
    shift = np.zeros(10_000)
    bound = contraction(rho, shift, sd, gap=3)
    assert bound == pytest.approx(exact(rho, shift, sd, gap=3), rel=1e-9)


def test_a_gap_beyond_the_largest_number_leaves_mu_finite():
    """Both gap and noise grow by 2 a step: mu is sqrt(3) gap / sd."""
    bound = contraction(np.full(2000, 2.0), np.zeros(2000), np.ones(2000), gap=1)
    assert bound == (math.inf, pytest.approx(math.sqrt(3)))


def test_a_factor_of_zero_forgets_all_that_was_before():
    bound = contraction(np.array([2.0, 0, 0.5]), np.array([9.0, 3, 1]), np.ones(3), gap=7)
    assert bound == pytest.approx((2.5, 2.5 / math.sqrt(1.25)))


@pytest.mark.parametrize("seed", range(30))
def test_the_bound_is_the_least_over_all_shifts(seed):
    rho, shift, sd, gap = random_chain(seed)
    bound = contraction(rho, shift, sd, gap)
    exact_bound = exact(rho, shift, sd, gap)
    assert bound.gap == pytest.approx(exact_bound.gap, rel=1e-12)
    assert bound.mu == pytest.approx(best_shifts(rho, shift, sd, gap), rel=1e-5)
    assert exact_bound.mu * (1 - 1e-12) <= bound.mu
    assert bound.mu <= late_start(rho, shift, sd, gap) * (1 + 1e-12)


def test_a_shift_in_the_last_step_meets_the_noise_of_that_step_alone():
    shift = np.array([0.0, 0, 0, 2])
    sd = np.array([3.0, 3, 3, 0.5])
    assert contraction(np.ones(4), shift, sd) == pytest.approx((2, 4))


def test_steps_without_noise_pass_the_gap_on():
    shift = np.array([1.0, 1, 0, 0])
    sd = np.array([0, 0, 0, 0.5])
    assert contraction(np.full(4, 0.5), shift, sd) == pytest.approx((0.375, 0.75))


def test_nothing_hides_a_gap_after_the_last_noise():
    sd = np.array([1.0, 0])
    assert contraction(np.ones(2), np.array([0.0, 1e-9]), sd).mu == math.inf
    assert contraction(np.ones(2), np.array([1e-9, 0]), sd).mu == pytest.approx(1e-9)
    assert contraction(np.ones(2), np.ones(2), np.zeros(2)) == (2, math.inf)
    assert contraction([], [], [], gap=1) == (1, math.inf)


@pytest.mark.filterwarnings("error")
def test_noise_too_small_to_square_hides_nothing():
    shift = np.array([1.0, 1])
    assert contraction(np.ones(2), shift, np.array([1, 1e-70])).mu == pytest.approx(1e70)
    assert contraction(np.ones(2), shift, np.array([1, 1e-90])).mu == math.inf


def test_equal_chains_are_no_distance_apart():
    assert contraction(np.ones(3), np.zeros(3), np.zeros(3)) == (0, 0)
    assert contraction([], [], []) == (0, 0)


def two_starts(steps: int, rho: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Two chains that start at -1 and 1, clipped to [-1, 1] after the noise, 100,000 runs each."""
    generator = np.random.default_rng(0)
    runs = np.repeat([[-1.0], [1.0]], 100_000, axis=1)
    for _ in range(steps):
        runs = np.clip(rho * runs + sd * generator.normal(size=runs.shape), -1, 1)
    return runs[0], runs[1]


def test_projections_after_the_noise_do_not_lift_the_bound():
    steps = 5
    first, second = two_starts(steps, rho=0.8, sd=0.9)
    mu = contraction(np.full(steps, 0.8), np.zeros(steps), np.full(steps, 0.9), gap=2).mu
    thresholds = np.linspace(-0.95, 0.95, 39)
    rates = [ndtri([(runs >= t).mean() for t in thresholds]) for runs in (first, second)]
    assert 0.3 * mu < (rates[1] - rates[0]).max() < mu + 0.02


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 6), st.floats(1.001, 3))
def test_mu_falls_with_noise_and_rises_with_every_shift(seed, step, factor):
    rho, shift, sd, gap = random_chain(seed)
    mu = contraction(rho, shift, sd, gap).mu
    assert contraction(rho, shift, factor * sd, gap).mu == pytest.approx(mu / factor, rel=1e-12)
    larger = np.array(shift)
    larger[step] *= factor
    assert contraction(rho, larger, sd, gap).mu >= mu * (1 - 1e-12)
    noisier = np.array(sd)
    noisier[step] *= factor
    assert contraction(rho, shift, noisier, gap).mu <= mu * (1 + 1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1.0, 1.0], [1.0]), r"shift: shape \(2,\); allowed: one number a step"),
        (([1.0], [1.0], 1.0), r"sd: shape \(\)"),
        (([1.0, -1.0], [1.0, 1.0], [1.0, 1.0]), "rho of step 2: -1.0 is not allowed"),
        (([1.0], [math.nan], [1.0]), "shift of step 1: nan is not allowed"),
        (([1.0], [1.0], [math.inf]), "sd of step 1: inf is not allowed"),
        (([1.0], [1.0], [1.0], -1), "gap: -1 is not allowed"),
    ],
)
def test_steps_that_are_no_chain_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        contraction(*arguments)
