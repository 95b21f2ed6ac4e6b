"""Epsilons and forgetting quality against closed forms, and the ceilings of perfect unlearning."""

import math

import numpy as np
import pytest

from unlearn.metrics.epsilon import DELTA, NO_RULE, rule_epsilons
from unlearn.metrics.finding import Finding
from unlearn.metrics.forgetting_quality import (
    challenge_score,
    epsilons,
    forgetting_quality,
    points,
)


def fleets(models: int, spread: float = 1, shift: float = 0, size: int = 4000):
    generator = np.random.default_rng(models)
    unlearned = spread * generator.normal(size=(models, size)) + shift
    return unlearned, spread * generator.normal(size=(models, size))


def rule_epsilon(fpr: float, fnr: float, models: int = 100) -> float | None:
    """The epsilon of a rule that errs on these shares of so many models a side."""
    epsilon = rule_epsilons(models, models)[round(fpr * models), round(fnr * models)]
    return None if epsilon == NO_RULE else float(epsilon)


@pytest.mark.parametrize(
    ("fpr", "fnr", "expected"),
    [(0.1, 0.1, 2.1972), (0.01, 0.5, 3.9120), (0.5, 0.01, 3.9120), (0, 0, 50), (1, 1, 0)],
)
def test_the_epsilon_of_a_rule(fpr, fnr, expected):
    assert rule_epsilon(fpr, fnr) == pytest.approx(expected, abs=1e-4)


def test_a_rule_with_exactly_one_rate_of_zero_does_not_count():
    assert rule_epsilon(0, 0.5) is None
    assert rule_epsilon(0.5, 0) is None


def test_epsilon_by_hand():
    """A cut between 2 and 3 calls 2 of 4 oracles unlearned, and 1 of 4 unlearned models oracles.

    A cut between 0 and 1 would miss no unlearned model, so it does not count.
    """
    unlearned = np.array([[1.0], [3], [4], [6]])
    oracles = np.array([[0.0], [2], [5], [7]])
    value = epsilons(unlearned, oracles)[0]
    assert value == pytest.approx(math.log((1 - DELTA - 0.5) / 0.25))


def test_separate_fleets_have_the_largest_epsilon_and_earn_nothing():
    unlearned, oracles = fleets(32, size=10)
    for compat in (False, True):
        assert (epsilons(unlearned + 100, oracles, compat=compat) == 50).all()
        assert (epsilons(unlearned, oracles + 100, compat=compat) == 50).all()
        quality = forgetting_quality(unlearned + 100, oracles, compat=compat)
        assert quality == Finding(0.0, n=32)


def test_constant_fleets():
    """Equal ones cannot be told apart; a constant one is told from any that varies."""
    constant = np.full((32, 1), 0.5)
    varied = np.linspace(0, 1, 33)[:, None]  # one value is .5
    for compat in (False, True):
        assert epsilons(constant, constant, compat=compat)[0] == 0
        assert epsilons(constant, varied, compat=compat)[0] == 50
        assert epsilons(varied, constant, compat=compat)[0] == 50
        assert epsilons(constant, constant + 1, compat=compat)[0] == 50


def test_a_fleet_of_a_much_smaller_range_is_told_apart():
    narrow = np.linspace(0.499, 0.501, 32)[:, None]
    wide = np.linspace(0, 1, 32)[:, None]
    for compat in (False, True):
        assert epsilons(narrow, wide, compat=compat)[0] == 50


@pytest.mark.parametrize("increasing_map", [np.exp, np.cbrt, lambda x: 1e3 * x - 7])
def test_the_default_rules_depend_on_the_order_of_margins_alone(increasing_map):
    unlearned, oracles = fleets(32, shift=0.7, size=200)
    values = epsilons(unlearned, oracles)
    assert np.array_equal(epsilons(increasing_map(unlearned), increasing_map(oracles)), values)


def test_the_default_rules_have_no_preferred_fleet_or_sign():
    unlearned, oracles = fleets(32, shift=0.7, size=200)
    values = epsilons(unlearned, oracles)
    assert np.array_equal(epsilons(oracles, unlearned), values)
    assert np.array_equal(epsilons(-unlearned, -oracles), values)


def test_the_released_rules_depend_on_the_unit_of_margins():
    unlearned, oracles = fleets(32, shift=0.7, size=50)
    small = epsilons(unlearned / 100, oracles / 100, compat=True)
    assert not np.array_equal(small, epsilons(unlearned, oracles, compat=True))


def brute_force(unlearned: np.ndarray, oracles: np.ndarray) -> float:
    """The epsilon of one point by the released rules, rule by rule."""
    above, below = (unlearned, oracles)
    if np.median(oracles) > np.median(unlearned):
        above, below = below, above
    pool = np.concatenate([above, below])
    thresholds = np.linspace(pool.min(), pool.max(), math.ceil(100 * np.ptp(pool)))
    rules = [((above >= t).mean(), (below >= t).mean()) for t in thresholds]
    peak, other = sorted((above, below), key=np.ptp)
    for right in np.linspace(peak.max() - 2, peak.max() + 2, 400):
        for left in np.linspace(right - np.ptp(peak) - 2, right - np.ptp(peak) + 2, 400):
            inside = [((left <= fleet) & (fleet <= right)).mean() for fleet in (peak, other)]
            rules.append(tuple(inside))
    unique = {(float(fpr), 1 - float(tpr)) for tpr, fpr in rules}
    values = [rule_epsilon(*rates, models=len(unlearned)) for rates in unique]
    return max(value for value in values if value is not None)


@pytest.mark.parametrize("spread", [0.3, 3])
def test_the_released_rules_agree_with_a_loop_over_all_of_them(spread):
    unlearned, oracles = fleets(16, spread=spread, shift=0.3 * spread, size=1)
    value = epsilons(unlearned, oracles, compat=True)[0]
    assert value == pytest.approx(brute_force(unlearned[:, 0], oracles[:, 0]))


def test_points_halve_from_bin_to_bin_and_end_at_the_logarithm_of_the_models():
    values = np.array([0, 0.49, 0.5, 1.2, 2.9, 3.0, 50, np.nan])
    expected = [1, 1, 0.5, 0.25, 1 / 32, 0, 0, np.nan]
    np.testing.assert_array_equal(points(values, 16), expected)
    assert points(np.array([6.9, 7.0]), 512).tolist() == [0.5**13, 0]


@pytest.mark.parametrize(("models", "same", "other"), [(16, 0.25, 0.096), (32, 0.23, 0.064)])
def test_ceilings_of_the_default_rules_with_few_models(models, same, other):
    assert points(epsilons(*fleets(models)), models).mean() == pytest.approx(same, abs=0.015)
    shifted = points(epsilons(*fleets(models, shift=1)), models).mean()
    assert shifted == pytest.approx(other, abs=0.01)


@pytest.mark.parametrize(("models", "same", "other"), [(64, 0.22, 0.044), (128, 0.22, 0.032)])
def test_ceilings_of_forgetting_quality(models, same, other):
    quality = forgetting_quality(*fleets(models))
    assert quality.value == pytest.approx(same, abs=0.01) and quality.n == models
    assert forgetting_quality(*fleets(models, shift=1)).value == pytest.approx(other, abs=0.005)


@pytest.mark.parametrize(
    ("spread", "models", "ceiling"), [(1.5, 32, 0.19), (1.5, 64, 0.19), (0.3, 64, 0.1)]
)
def test_ceilings_of_the_released_rules(spread, models, ceiling):
    quality = forgetting_quality(*fleets(models, spread=spread, size=600), compat=True)
    assert quality.value == pytest.approx(ceiling, abs=0.015)


def test_margins_are_not_changed():
    unlearned, oracles = fleets(32, size=5)
    copies = unlearned.copy(), oracles.copy()
    for compat in (False, True):
        forgetting_quality(unlearned, oracles, compat=compat)
    assert np.array_equal(unlearned, copies[0]) and np.array_equal(oracles, copies[1])


def test_points_have_the_same_values_alone_as_in_blocks():
    unlearned, oracles = fleets(8, size=4100)
    values = epsilons(unlearned, oracles)
    for point in (0, 2047, 2048, 4099):
        assert values[point] == epsilons(unlearned[:, [point]], oracles[:, [point]])[0]


def test_too_few_models_or_no_points_are_null_with_the_reason():
    unlearned, oracles = fleets(31, size=5)
    quality = forgetting_quality(unlearned, oracles)
    assert quality.value is None and "31 models" in quality.reason and "32" in quality.reason
    unlearned, oracles = fleets(32, size=0)
    assert forgetting_quality(unlearned, oracles).reason == "no points"


def test_the_score_is_scaled_by_the_accuracies():
    quality = Finding(0.2, n=64)
    score = challenge_score(quality, (0.9, 1.0), (0.8, 0.64))
    assert score.value == pytest.approx(0.2 * 0.9 * 1.25) and score.n == 64
    assert "test" in challenge_score(quality, (0.9, 1), (0.8, 0)).reason
    missing = Finding(None, n=3, reason="3 models")
    assert challenge_score(missing, (1, 1), (1, 1)) == missing


def test_an_empty_fleet_is_refused():
    with pytest.raises(ValueError, match="without models"):
        epsilons(np.empty((0, 3)), np.zeros((32, 3)))
