"""Kendall's tau: closed cases, scipy's values, and intervals."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from unlearn.metrics.rank_correlation import kendall_taus, mean_kendall_tau

ORDER = np.arange(6.0)


def kendall_tau(first, second):
    return kendall_taus(first[None], second[None])[0]


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        (ORDER, ORDER**3, 1),
        (ORDER, -ORDER, -1),
        (np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), 1 / 3),
        (np.array([1.0, 2, 3, np.nan]), np.array([1.0, 2, 3, 0]), 1),
        (np.array([1.0, 1, 2]), np.array([1.0, 2, 3]), 2 / np.sqrt(6)),
    ],
)
def test_tau_of_closed_cases(first, second, tau):
    assert kendall_tau(first, second) == pytest.approx(tau)


def test_tau_is_that_of_scipy():
    generator = np.random.default_rng(0)
    for _ in range(50):
        first, second = generator.integers(0, 6, (2, 9)).astype(float)
        expected = kendalltau(first, second).statistic
        assert kendall_tau(first, second) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("first", [np.ones(4), np.array([1.0]), np.array([]), np.full(4, np.nan)])
def test_values_that_are_all_equal_have_no_order(first):
    assert np.isnan(kendall_tau(first, np.arange(float(len(first)))))
    correlation = mean_kendall_tau(first[None], np.arange(float(len(first)))[None], 0)
    assert np.isnan(correlation.tau) and np.isnan(correlation.low) and correlation.groups == 0


def test_groups_are_averaged_and_those_without_an_order_do_not_count():
    first = np.array([ORDER, ORDER, np.ones(6)])
    second = np.array([ORDER, -ORDER, ORDER])
    correlation = mean_kendall_tau(first, second, 0)
    assert correlation.tau == 0 and correlation.groups == 2 and correlation.items == 6


def test_equal_orders_have_an_interval_of_no_width():
    correlation = mean_kendall_tau(ORDER[None], ORDER[None], 0)
    assert correlation[:3] == pytest.approx((1, 1, 1))


def test_three_items_have_no_interval():
    correlation = mean_kendall_tau(ORDER[None, :3], ORDER[None, :3], 0)
    assert correlation.tau == 1 and np.isnan(correlation.low)


def test_the_interval_covers_the_correlation_of_a_population():
    """Of two normal variables with correlation .6 tau is 2/pi arcsin(.6); 40 items a sample."""
    generator = np.random.default_rng(1)
    right = 2 / np.pi * np.arcsin(0.6)
    cases = 200
    hits = 0
    for case in range(cases):
        first, noise = generator.normal(size=(2, 40))
        second = 0.6 * first + 0.8 * noise
        correlation = mean_kendall_tau(first[None], second[None], case)
        hits += correlation.low <= right <= correlation.high
    assert 0.9 <= hits / cases <= 0.99


def test_every_row_has_a_tau():
    first = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [1, 1, 1, 1]])
    second = np.array([[1.0, 2, 4, 3], [4, 3, 2, np.nan], [1, 2, 3, 4]])
    expected = [4 / 6, -1, np.nan]  # of six pairs of the first row one has the opposite order
    np.testing.assert_allclose(kendall_taus(first, second), expected)


def test_a_sample_that_draws_an_item_twice_has_a_tie():
    """Its tau is that of scipy on the values drawn."""
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=(2, 8))
    items = generator.integers(0, 8, (20, 8))
    expected = [kendalltau(first[drawn], second[drawn]).statistic for drawn in items]
    np.testing.assert_allclose(kendall_taus(first[items], second[items]), expected)
