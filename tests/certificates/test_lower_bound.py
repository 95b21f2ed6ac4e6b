"""The audit from below: right in its confidence, and sharp enough to catch wrong noise."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from unlearn.certificates.chains import Deletion, Descent, langevin
from unlearn.certificates.constants import Constant, Constants
from unlearn.certificates.lower_bound import epsilon_lower_bound, mu_lower_bound
from unlearn.certificates.privacy import epsilon_of, mu_of

DELTA = 1e-3
CERTIFIED_MU = mu_of(1, DELTA)


def gaussians(seed: int, runs: int, mu: float) -> tuple[np.ndarray, np.ndarray]:
    """Runs of the reference and of unlearning, mu apart."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=runs), mu + generator.normal(size=runs)


@pytest.mark.parametrize("mu", [0.0, 0.4, 2.0])
def test_bounds_hold_in_at_least_95_of_100_audits(mu):
    """One that fails in 5 of 100 audits fails in more than 29 of 300 with probability 1e-3."""
    epsilon = epsilon_of(mu, DELTA)
    failures = np.zeros(2)
    for seed in range(300):
        scores = gaussians(seed, 100, mu)
        failures += mu_lower_bound(*scores) > mu, epsilon_lower_bound(*scores, DELTA) > epsilon
    assert failures.max() <= 29


@pytest.mark.parametrize(("mu", "low"), [(1, 0.9), (3, 2.75)])
def test_bounds_come_near_with_many_runs(mu, low):
    reference, unlearned = gaussians(0, 20_000, mu)
    assert low < mu_lower_bound(reference, unlearned) < mu
    assert mu_lower_bound(-reference, -unlearned) == mu_lower_bound(reference, unlearned)
    assert mu_lower_bound(unlearned, reference) == pytest.approx(mu, abs=0.25)


def test_epsilon_comes_near_at_the_delta_where_a_test_attains_it():
    """Laws with a point mass: half of the runs of unlearning score 1, a tenth of the others do."""
    generator = np.random.default_rng(0)
    reference = (generator.random(20_000) < 0.1).astype(float)
    unlearned = (generator.random(20_000) < 0.5).astype(float)
    for delta in (1e-6, 0.1):
        bound = epsilon_lower_bound(reference, unlearned, delta)
        truth = math.log((0.5 - delta) / 0.1)
        assert truth - 0.15 < bound < truth
    swapped = epsilon_lower_bound(unlearned, reference, 1e-6)
    assert math.log(5) - 0.15 < swapped < math.log(5)
    assert epsilon_lower_bound(1 - reference, 1 - unlearned, 1e-6) == epsilon_lower_bound(
        reference, unlearned, 1e-6
    )


def test_rates_are_those_of_clopper_and_pearson():
    """All 50 runs that decide are told apart: a rate of 50 of 50 is at least tail^(1/50)."""
    rate = 0.025 ** (1 / 50)
    bound = mu_lower_bound(np.arange(100.0), np.arange(100.0) + 1000)
    assert bound == pytest.approx(2 * norm.ppf(rate))
    epsilon = epsilon_lower_bound(np.arange(100.0), np.arange(100.0) + 1000, 0.1)
    assert epsilon == pytest.approx(math.log((rate - 0.1) / (1 - rate)))


def test_equal_scores_tell_nothing():
    assert mu_lower_bound(np.ones(50), np.ones(50)) == 0
    assert epsilon_lower_bound(np.ones(50), np.ones(50), DELTA) == 0


# -- wrong noise -----------------------------------------------------------------------------------

M = 1.0
DECAY = 0.1
RATE = 0.5
LEDGER = (Deletion(5, 100, 10), Deletion(10, 95, 20))


def langevin_runs(sigma: float, runs: int, *, is_reference: bool, seed: int) -> np.ndarray:
    """Weights of Langevin unlearning; deleted points have gradient M, all others -M."""
    generator = np.random.default_rng(seed)
    forgotten = 0 if is_reference else sum(deletion.deleted_points for deletion in LEDGER)
    points = LEDGER[0].points
    weights = np.zeros(runs)
    for phase, steps in enumerate([50, *(deletion.steps for deletion in LEDGER)]):
        if phase:
            points -= LEDGER[phase - 1].deleted_points
            forgotten -= 0 if is_reference else LEDGER[phase - 1].deleted_points
        gradient = M * (2 * forgotten / points - 1)
        for _ in range(steps):
            noise = math.sqrt(2 * RATE) * sigma * generator.normal(size=runs)
            weights = weights - RATE * (gradient + DECAY * weights) + noise
    return weights


def share_caught(runs: int, factor: float, audits: int = 20) -> float:
    """How many audits refute the certificate of epsilon 1 where the noise is wrong by a factor."""
    curvature = Constant(DECAY, "proved")
    constants = Constants(Constant(M, "proved"), curvature, curvature)
    sigma = langevin(Descent(constants, RATE, 50, LEDGER), 1).mu / CERTIFIED_MU
    caught = 0
    for audit in range(audits):
        laws = [
            langevin_runs(factor * sigma, runs, is_reference=is_reference, seed=2 * audit + law)
            for law, is_reference in enumerate((True, False))
        ]
        caught += mu_lower_bound(*laws) > CERTIFIED_MU
    return caught / audits


@pytest.mark.parametrize(
    ("runs", "factor", "low", "high"),
    [
        (500, 1, 0, 0.05),
        (500, 0.75, 0, 0.2),
        (500, 0.5, 0.35, 0.95),
        (500, 0.25, 1, 1),
        (500, 0.1, 1, 1),
        (2000, 1, 0, 0.05),
        (2000, 0.5, 0.9, 1),
        (2000, 0.1, 1, 1),
    ],
)
def test_share_of_audits_that_catch_wrong_noise(runs, factor, low, high):
    assert low <= share_caught(runs, factor) <= high


def test_noise_for_one_order_of_renyi_is_caught():
    """Accounted for at a single order, epsilon 1 stands for sqrt 2 in truth."""
    for seed in range(5):
        scores = gaussians(seed, 1000, math.sqrt(2))
        assert mu_lower_bound(*scores) > mu_of(1, 1e-5)
        assert mu_lower_bound(*gaussians(seed, 1000, mu_of(1, 1e-5))) < mu_of(1, 1e-5)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ((np.ones(3), np.ones(9)), r"reference_scores: an array of shape \(3,\) is not allowed"),
        ((np.ones(9), np.ones((3, 3))), r"unlearned_scores: an array of shape \(3, 3\)"),
        ((np.ones(9), np.full(9, np.nan)), "unlearned_scores: .* allowed: finite numbers"),
    ],
)
def test_scores_that_are_no_runs_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        mu_lower_bound(*scores)
    with pytest.raises(ValueError, match="delta: 1 is not allowed"):
        epsilon_lower_bound(np.ones(9), np.ones(9), 1)
