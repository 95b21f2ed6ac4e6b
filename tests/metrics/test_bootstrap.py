"""Bootstrap intervals: closed forms, skewness, and coverage in simulated tables."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from unlearn.metrics.bootstrap import unit_counts
from unlearn.metrics.statistics import crossed_interval, mean_interval, t_interval

TABLES = 2000
"""The number of simulated tables of a setting."""

SPREADS = {"models": (1.0, 0.0, 0.2), "draws": (0.3, 1.0, 0.5), "both": (1.0, 1.0, 0.5)}
"""Standard deviations between models, draws and single values."""


def coverage(interval, case: str, models: int, draws: int) -> float:
    """The share of simulated tables whose interval holds the mean."""
    model_spread, draw_spread, pair_spread = SPREADS[case]
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(TABLES):
        values = model_spread * generator.normal(size=(models, 1))
        values = values + draw_spread * generator.normal(size=(1, draws))
        values += pair_spread * generator.normal(size=(models, draws))
        ends = interval(values)
        hits += ends.low < 0 < ends.high
    return hits / TABLES


@pytest.mark.parametrize(
    ("case", "models", "draws"),
    [("models", 5, 3), ("both", 5, 3), ("models", 10, 3), ("both", 10, 3), ("models", 20, 2)],
)
def test_the_interval_of_models_that_meet_the_same_draws_covers_the_mean(case, models, draws):
    share = coverage(mean_interval, case, models, draws)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize("case", SPREADS)
def test_the_crossed_bootstrap_covers_the_mean(case):
    share = coverage(mean_interval, case, 10, 10)
    assert 0.93 <= share <= 0.97


def test_of_skewed_values_the_bootstrap_covers_the_mean_more_often_than_t():
    """An exponential law: about 93 of 100 tables instead of 91."""
    generator = np.random.default_rng(0)
    tables = generator.exponential(size=(TABLES, 10, 1)) - 1
    shares = []
    for interval in (mean_interval, crossed_interval):
        ends = [interval(values) for values in tables]
        shares.append(np.mean([low < 0 < high for _, low, high, _ in ends]))
    assert shares[0] > shares[1] + 0.01 and shares[0] > 0.92


def test_two_draws_are_too_few_where_draws_differ():
    assert 0.87 < coverage(mean_interval, "both", 20, 2) < 0.91
    assert 0.91 < coverage(mean_interval, "both", 20, 3) < 0.95


def test_from_ten_models_on_the_interval_is_a_bootstrap():
    values = np.random.default_rng(0).exponential(size=(10, 1))
    assert mean_interval(values[:9]) == t_interval(values[:9, 0])
    interval = mean_interval(values)
    assert interval != t_interval(values[:, 0]) and interval.mean == values.mean()
    assert interval == mean_interval(values)  # no chance is left


@pytest.mark.parametrize("shape", [(9, 12), (12, 9), (12, 2)])
def test_the_crossed_bootstrap_needs_ten_models_and_ten_draws(shape):
    values = np.random.default_rng(0).normal(size=shape)
    assert mean_interval(values) == crossed_interval(values)


@pytest.mark.parametrize(("n", "half_width"), [(10, 0.72), (20, 0.47)])
def test_symmetric_values_have_the_half_width_of_t(n, half_width):
    values = np.linspace(-1, 1, n)[:, None]
    interval = mean_interval(values)
    assert (interval.high - interval.low) / 2 == pytest.approx(
        half_width * values.std(ddof=1), rel=0.05
    )


def test_the_interval_leans_to_the_side_of_the_long_tail():
    values = np.random.default_rng(1).exponential(size=(40, 1)) ** 2
    interval = mean_interval(values)
    assert interval.high - interval.mean > 1.2 * (interval.mean - interval.low)
    reference = bootstrap((values[:, 0],), np.mean, method="BCa", n_resamples=10_000, rng=0)
    width = interval.high - interval.low
    assert interval.low == pytest.approx(reference.confidence_interval.low, abs=0.06 * width)
    assert interval.high == pytest.approx(reference.confidence_interval.high, abs=0.06 * width)


def test_a_large_crossed_table_has_the_interval_of_satterthwaite():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(20, 1)) + generator.normal(size=(1, 15))
    interval = mean_interval(values)
    expected = crossed_interval(values)
    assert interval.low == pytest.approx(expected.low, abs=0.1)
    assert interval.high == pytest.approx(expected.high, abs=0.1)


def test_tables_without_an_interval():
    one = mean_interval(np.array([[1.0, 3.0]]))
    assert one.mean == 2 and one.n == 1 and np.isnan([one.low, one.high]).all()
    none = mean_interval(np.full((3, 2), np.nan))
    assert none.n == 0 and np.isnan(none.mean)
    assert mean_interval(np.full((12, 1), 0.1)) == (pytest.approx(0.1),) * 3 + (12,)


def test_missing_values_do_not_count():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(12, 11))
    longer = np.vstack([values, np.full((2, 11), np.nan)])
    longer[13, 0] = np.inf
    assert mean_interval(longer) == mean_interval(values)
    holes = values.copy()
    holes[::2, 0] = np.nan
    ends = mean_interval(holes)
    assert ends.low < ends.mean < ends.high and ends.n == 12
    assert ends.mean == pytest.approx(np.nanmean(holes, axis=1).mean())


def test_resamples_have_as_many_units_as_the_data():
    counts = unit_counts(7)
    assert counts.shape == (10_000, 7) and (counts.sum(axis=1) == 7).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.05)
