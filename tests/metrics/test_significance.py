"""Tests of paired differences against closed forms and simulations."""

import numpy as np
import pytest
from scipy import stats

from unlearn.metrics.significance import (
    holm,
    minimum_detectable_effect,
    pairwise_interval,
    sign_flip_test,
    smallest_p,
)


@pytest.mark.parametrize(("n", "p"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125), (10, 2**-9)])
def test_the_smallest_p_value_of_some_pairs(n, p):
    assert sign_flip_test(np.linspace(1, 2, n)) == p == smallest_p(n)


def test_the_exact_test_by_hand():
    """Every sum of 1, 2 and 4 with signs is at least 1 from 0; two of eight are 7 from it."""
    assert sign_flip_test(np.array([1.0, 2.0, -4.0])) == 1
    assert sign_flip_test(np.array([1.0, 2.0, 4.0])) == 2 / 8
    assert sign_flip_test(np.array([-1.0, 2.0, 4.0])) == 4 / 8


def test_more_than_twelve_pairs_get_the_paired_t_test():
    values = np.random.default_rng(0).normal(0.3, 1, 30)
    assert sign_flip_test(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


@pytest.mark.parametrize(("values", "p"), [([], None), ([1.0], None), ([np.nan, 1.0], None)])
def test_fewer_than_two_pairs_have_no_p_value(values, p):
    assert sign_flip_test(np.array(values)) is p


def test_pairs_without_a_difference_have_p_1():
    assert sign_flip_test(np.zeros(5)) == 1 and sign_flip_test(np.zeros(20)) == 1


def test_values_that_are_not_finite_are_no_pairs():
    assert sign_flip_test(np.array([1, 2, np.nan, 3, np.inf, 4, 5])) == 0.0625


@pytest.mark.parametrize("n", [5, 8, 20])
def test_the_test_keeps_its_level(n):
    chance = np.random.default_rng(n)
    p_values = [sign_flip_test(chance.standard_t(3, n)) for _ in range(2000)]
    assert np.mean(np.array(p_values) <= 0.0625) == pytest.approx(0.0625, abs=0.016)


def test_holm_by_hand():
    """Of four p values the smallest is multiplied by 4, the next by 3, and none falls below it."""
    assert holm([0.03, None, 0.01, 0.04, 0.005]) == pytest.approx(
        [0.06, None, 0.03, 0.06, 0.02], nan_ok=True
    )
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == [] and holm([None]) == [None]


def test_holm_keeps_the_error_of_the_family():
    chance = np.random.default_rng(1)
    alarms = [min(holm(list(chance.uniform(size=20)))) <= 0.05 for _ in range(4000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.011)


DETECTABLE = {
    0.05: {3: 3.27, 5: 1.68, 8: 1.16, 10: 1.00, 15: 0.78, 20: 0.66, 30: 0.53},
    0.0025: {3: 14.65, 5: 3.776, 8: 2.03, 10: 1.64, 15: 1.20, 20: 0.98, 30: 0.77},
}


@pytest.mark.parametrize("alpha", DETECTABLE)
def test_the_smallest_effects_that_some_pairs_detect(alpha):
    for n, effect in DETECTABLE[alpha].items():
        assert minimum_detectable_effect(n, alpha) == pytest.approx(effect, rel=0.006, abs=0.006)
    assert minimum_detectable_effect(1, alpha) is None


def test_the_interval_of_pairs_covers_their_mean():
    """Distances |x - y| of normal numbers have the mean 2 / sqrt(pi)."""
    chance = np.random.default_rng(2)
    n = 12
    covered = 0
    for _ in range(1000):
        numbers = chance.normal(size=n)
        distances = np.abs(numbers[:, None] - numbers)
        interval = pairwise_interval(distances.sum(axis=1) / (n - 1))
        covered += interval.low <= 2 / np.sqrt(np.pi) <= interval.high
    assert 920 <= covered <= 985


def test_two_models_are_one_pair_without_an_interval():
    interval = pairwise_interval(np.array([0.5, 0.5]))
    assert interval.mean == 0.5 and interval.n == 2 and np.isnan(interval.low)
