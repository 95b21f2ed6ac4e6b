"""Intervals of statistics of populations."""

import numpy as np
import pytest

from unlearn.metrics.jackknife import jackknife_difference, jackknife_finding
from unlearn.metrics.statistics import t_interval


def difference(first, second):
    return float(first.mean() - second.mean())


def test_the_interval_of_a_mean_is_that_of_t():
    """With as many groups as models the jackknife of a mean is its standard error."""
    values = np.random.default_rng(0).normal(3, 2, 12)
    finding = jackknife_finding(lambda fleet: float(fleet.mean()), values, groups=12)
    interval = t_interval(values)
    assert (finding.value, finding.low, finding.high) == pytest.approx(interval[:3])
    assert finding.n == 12


def test_the_interval_covers_the_difference_of_two_fleets():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        finding = jackknife_finding(difference, rng.normal(1, 1, 64), rng.normal(0, 3, 64))
        covered += finding.low <= 1 <= finding.high
    assert 930 <= covered <= 985


def test_the_interval_ends_at_the_limits_of_the_statistic():
    fleet = np.array([0.0, 0.0, 0.1, 0.4])
    finding = jackknife_finding(lambda values: float(values.mean()), fleet, minimum=0, maximum=0.2)
    assert (finding.low, finding.high) == (0, 0.2)


def test_fleets_without_a_value_have_a_reason():
    finding = jackknife_finding(lambda fleet: None, np.zeros(4))
    assert finding.value is None and finding.reason


def test_one_model_has_no_interval():
    finding = jackknife_finding(difference, np.ones(1), np.zeros(5))
    assert finding.value == 1 and finding.low is None and finding.n == 1


def test_pairs_are_left_out_together():
    """What a model has before and after cancels: the interval is that of the paired differences."""
    rng = np.random.default_rng(3)
    before = rng.normal(0, 5, 40)
    after = before + rng.normal(1, 0.1, 40)
    result = jackknife_difference(difference, after, before, rng.normal(0, 5, 40))
    assert result.value == pytest.approx(np.mean(after - before))
    assert 0.95 < result.low < result.high < 1.05 and result.p < 1e-6


def test_no_difference_is_no_finding():
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(500):
        fleets = rng.normal(size=(3, 40))
        alarms += jackknife_difference(difference, *fleets).p < 0.05
    assert 10 <= alarms <= 45


def test_fewer_originals_than_models_give_no_difference():
    assert jackknife_difference(difference, np.ones(4), np.zeros(3), np.zeros(4)) is None
