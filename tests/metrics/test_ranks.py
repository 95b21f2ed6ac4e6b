"""Ranks of methods under resampled models, their groups, and how alike two halves rank them."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from unlearn.metrics.ranks import (
    group_letters,
    halves_tau,
    mean_ranks,
    rank_intervals,
    rank_intervals_of_means,
)


def table(*means: float, models: int = 10, spread: float = 0.1) -> np.ndarray:
    """Values, methods x models, that scatter about these means."""
    generator = np.random.default_rng(0)
    return np.array(means)[:, None] + spread * generator.normal(size=(len(means), models))


def test_methods_far_apart_have_sure_ranks_and_letters_of_their_own():
    intervals = rank_intervals(table(3, 1, 2))
    assert [interval.rank for interval in intervals] == [3, 1, 2]
    assert [(interval.low, interval.high) for interval in intervals] == [(3, 3), (1, 1), (2, 2)]
    assert [interval.best_probability for interval in intervals] == [0, 1, 0]
    assert [interval.letters for interval in intervals] == ["c", "a", "b"]


def test_methods_that_cannot_be_told_apart_share_a_letter():
    intervals = rank_intervals(table(1, 1, 9, spread=1))
    assert [(interval.low, interval.high) for interval in intervals] == [(1, 2), (1, 2), (3, 3)]
    assert [interval.letters for interval in intervals] == ["a", "a", "b"]
    assert 0.02 < intervals[0].best_probability < 0.98
    assert sum(interval.best_probability for interval in intervals) == pytest.approx(1)


def test_equal_methods_share_rank_and_probability():
    row = np.random.default_rng(0).normal(size=8)
    for interval in rank_intervals(np.array([row, row])):
        assert interval.rank == interval.low == interval.high == 1.5
        assert interval.best_probability == 0.5 and interval.letters == "a"


def test_pairing_makes_ranks_sure_where_models_differ_more_than_methods():
    shared = 10 * np.random.default_rng(1).normal(size=10)
    intervals = rank_intervals(table(1, 2) + shared)
    assert [interval.best_probability for interval in intervals] == [1, 0]


def test_models_without_a_value_of_every_method_do_not_count():
    values = table(3, 1, 2)
    longer = np.column_stack([values, [0.0, np.nan, 9], [np.inf, 1, 1]])
    assert rank_intervals(longer) == rank_intervals(values)
    assert rank_intervals(values[:, :1]) is None
    assert rank_intervals(np.full((3, 5), np.nan)) is None


def test_mean_ranks_agree_with_scipy():
    values = np.random.default_rng(0).integers(0, 4, size=(50, 6)).astype(float)
    np.testing.assert_array_equal(mean_ranks(values), rankdata(values, axis=1))


def test_intervals_that_overlap_in_a_chain_share_letters_with_their_neighbours_alone():
    letters = group_letters(np.array([1, 2, 4, 6]), np.array([3, 5, 5, 7]))
    assert letters == ["a", "ab", "b", "c"]
    assert group_letters(np.array([1, 1, 1]), np.array([9, 2, 3])) == ["a", "a", "a"]


def test_letters_are_shared_just_where_intervals_overlap():
    generator = np.random.default_rng(0)
    for _ in range(50):
        low = generator.integers(1, 10, size=8)
        high = low + generator.integers(0, 5, size=8)
        letters = group_letters(low, high)
        for i in range(8):
            for j in range(8):
                overlaps = low[i] <= high[j] and low[j] <= high[i]
                assert overlaps == bool(set(letters[i]) & set(letters[j]))


def test_signed_values_are_ranked_by_how_near_their_mean_is_to_zero():
    """Values of models on both sides of 0 have a mean near it."""
    values = table(-0.5, 0.1, 3)
    assert [interval.rank for interval in rank_intervals(values, is_signed=True)] == [2, 1, 3]
    assert [interval.rank for interval in rank_intervals(values)] == [1, 2, 3]
    assert tuple(vars(halves_tau(table(-3, 0.1, 9), is_signed=True)).values()) == (1, 1, 1)


def test_ranks_of_means_are_those_that_their_errors_allow():
    """Two methods a standard error apart: 1 - P(best) is P(t > 1 / sqrt 2) of the difference."""
    means = np.array([0.0, 1.0, 50.0])
    errors = np.ones(3)
    intervals = rank_intervals_of_means(means, errors, np.full(3, 1e6))
    assert [interval.rank for interval in intervals] == [1, 2, 3]
    assert [(interval.low, interval.high) for interval in intervals] == [(1, 2), (1, 2), (3, 3)]
    assert [interval.letters for interval in intervals] == ["a", "a", "b"]
    assert intervals[0].best_probability == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)
    sure = rank_intervals_of_means(means, errors / 100, np.full(3, 9))
    assert [(interval.low, interval.high) for interval in sure] == [(1, 1), (2, 2), (3, 3)]
    signed = rank_intervals_of_means(means - 1, errors / 100, np.full(3, 9), is_signed=True)
    assert [interval.rank for interval in signed] == [2, 1, 3]


def test_few_models_make_ranks_less_sure():
    means = np.array([0.0, 2.0, 4.0])
    best = [
        rank_intervals_of_means(means, np.ones(3), np.full(3, degrees))[0].best_probability
        for degrees in (2, 1000)
    ]
    assert best[0] < best[1] - 0.02


def test_tables_without_a_tau():
    values = table(1, 2, 3)
    assert halves_tau(values[:1]) is None
    assert halves_tau(values[:, :1]) is None
    assert halves_tau(np.ones_like(values)) is None


def test_halves_of_the_models_agree_where_methods_differ():
    assert tuple(vars(halves_tau(table(1, 2, 3, 4))).values()) == (1, 1, 1)
    noise = halves_tau(table(1, 1, 1, 1, models=40))
    assert noise.low < 0 < noise.high and abs(noise.tau) < 0.5
