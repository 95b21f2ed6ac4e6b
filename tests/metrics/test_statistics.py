"""Means and t intervals against closed forms."""

import math

import numpy as np
import pytest

from unlearn.metrics.statistics import t_interval


def test_two_values():
    """The t quantile of one degree of freedom is that of the Cauchy distribution."""
    interval = t_interval(np.array([1.0, 3.0]))
    quantile = math.tan(math.pi * (0.975 - 0.5))
    assert interval.mean == 2 and interval.n == 2
    assert interval.high - 2 == pytest.approx(quantile * math.sqrt(2) / math.sqrt(2))
    assert 2 - interval.low == pytest.approx(interval.high - 2)


def test_the_half_width_in_standard_deviations():
    """2.48 for three values, 1.24 for five, .72 for ten."""
    for n, expected in ((3, 2.48), (5, 1.24), (10, 0.72)):
        values = np.arange(n, dtype=float)
        interval = t_interval(values)
        assert (interval.high - interval.mean) / values.std(ddof=1) == pytest.approx(
            expected, abs=0.005
        )


def test_values_that_are_not_finite_do_not_count():
    interval = t_interval(np.array([1.0, np.nan, 3.0, np.inf]))
    assert interval == t_interval(np.array([1.0, 3.0]))


@pytest.mark.parametrize(("values", "n"), [([], 0), ([np.nan], 0), ([0.5], 1)])
def test_fewer_than_two_values_have_no_interval(values, n):
    interval = t_interval(np.array(values))
    assert interval.n == n and math.isnan(interval.low) and math.isnan(interval.high)
    assert math.isnan(interval.mean) == (n == 0)
