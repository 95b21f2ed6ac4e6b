"""KLoM against closed forms, and against the floors of perfect unlearning."""

import math

import numpy as np
import pytest

from unlearn.metrics.klom import (
    gaussian_klom,
    histogram_klom,
    klom,
    margins,
    summary,
)

FLOORS = {
    10: ((5.64, 7.98), (3.48, 6.15), (0.25, 0.79)),
    20: ((3.03, 4.99), (1.36, 3.08), (0.12, 0.37)),
    64: ((0.63, 1.24), (0.26, 0.67), (0.033, 0.10)),
    200: ((0.15, 0.29), (0.064, 0.15), (0.010, 0.030)),
}
"""Mean and 95th percentile with 20 bins, with 10, and of the Gaussian form, by models a fleet."""


def fleets(models: int, points: int = 4000, shift: float = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(models)
    unlearned = generator.normal(shift, size=(models, points))
    return unlearned, generator.normal(size=(models, points))


def with_moments(mean: float, deviation: float) -> np.ndarray:
    """Margins of two models, one point, with this mean and unbiased standard deviation."""
    return np.array([[mean - deviation / math.sqrt(2)], [mean + deviation / math.sqrt(2)]])


def test_a_margin_is_the_logit_less_the_logsumexp_of_the_others():
    logits = np.zeros((1, 2, 10), np.float32)
    logits[0, 1, 3] = 1e4
    values = margins(logits, np.array([0, 3]))
    assert values[0, 0] == pytest.approx(-math.log(9))
    assert values[0, 1] == pytest.approx(1e4 - math.log(9))


@pytest.mark.parametrize(
    ("unlearned", "oracle", "expected"),
    [((1, 1), (0, 1), 0.5), ((0, 1), (0, 2), 0.3181), ((0, 2), (0, 1), 0.8069)],
)
def test_the_gaussian_form_has_closed_values_in_both_directions(unlearned, oracle, expected):
    value = gaussian_klom(with_moments(*unlearned), with_moments(*oracle))
    assert value[0] == pytest.approx(expected, abs=5e-5)


def test_constant_fleets_are_finite_in_the_gaussian_form():
    constant = np.full((3, 1), 2.0)
    assert gaussian_klom(constant, constant)[0] == 0
    assert gaussian_klom(constant + 1e-3, constant)[0] == pytest.approx(0.5)
    assert np.isfinite(gaussian_klom(constant, with_moments(0, 1)))


def test_the_last_bin_holds_the_largest_margin_unless_the_releases_are_reproduced():
    unlearned = np.full((100, 1), 2.0)
    oracles = np.linspace(-1, 1.9, 100)[:, None]
    assert histogram_klom(unlearned, oracles)[0] == pytest.approx(math.log(50))
    assert histogram_klom(unlearned, oracles, compat=True)[0] == 0


def test_identical_constants_are_at_no_distance_and_far_ones_at_the_largest():
    constant = np.full((5, 1), 2.0)
    for compat in (False, True):
        assert histogram_klom(constant, constant, compat=compat)[0] == 0
    assert histogram_klom(constant, constant - 1)[0] == pytest.approx(math.log(1e5))
    assert histogram_klom(constant + 200, constant + 300)[0] == 0  # both are clipped to 100


def test_both_directions_of_a_histogram_by_hand():
    """The bins hold .75, .25 of one fleet and .5, .5 of the other."""
    unlearned = np.array([[0.0], [0], [0], [1]])
    oracles = np.array([[0.0], [0], [1], [1]])
    forward = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    reverse = 0.5 * math.log(1 / 1.5) + 0.5 * math.log(2)
    assert histogram_klom(unlearned, oracles)[0] == pytest.approx(forward)
    assert histogram_klom(oracles, unlearned)[0] == pytest.approx(reverse)


@pytest.mark.parametrize("models", FLOORS)
def test_floors_of_perfect_unlearning(models):
    unlearned, oracles = fleets(models)
    forms = (
        histogram_klom(unlearned, oracles),
        histogram_klom(unlearned, oracles, bins=10),
        gaussian_klom(unlearned, oracles),
    )
    for values, (mean, p95) in zip(forms, FLOORS[models], strict=True):
        assert values.mean() == pytest.approx(mean, rel=0.12)
        assert np.percentile(values, 95) == pytest.approx(p95, rel=0.15)


@pytest.mark.parametrize("models", [20, 64, 200])
def test_the_gaussian_floor_has_a_closed_mean(models):
    """(1 + 2 / n) / 2 times the mean of the inverse sample variance, less 1 / 2."""
    closed_mean = (1 + 2 / models) * (models - 1) / (2 * (models - 3)) - 0.5
    assert gaussian_klom(*fleets(models)).mean() == pytest.approx(closed_mean, rel=0.05)


def test_the_gaussian_floor_follows_chi_square_for_many_models():
    values = gaussian_klom(*fleets(200))
    assert values.mean() == pytest.approx(2 / 200, rel=0.15)
    assert np.percentile(values, 95) == pytest.approx(5.99 / 200, rel=0.15)


def test_a_shift_of_one_deviation_is_read_too_large_from_few_models():
    for models, expected in ((20, 0.66), (100, 0.54)):
        values = gaussian_klom(*fleets(models, shift=1))
        assert values.mean() == pytest.approx(expected, rel=0.05)


def test_the_default_form_changes_at_two_hundred_models():
    few = fleets(199, points=3)
    many = fleets(200, points=3)
    assert np.array_equal(klom(*few), gaussian_klom(*few))
    assert np.array_equal(klom(*many), histogram_klom(*many))


def test_points_have_the_same_values_alone_as_in_blocks():
    generator = np.random.default_rng(0)
    unlearned = generator.normal(size=(4, 9000))
    oracles = generator.normal(size=(3, 9000))
    values = histogram_klom(unlearned, oracles)
    for point in (0, 8191, 8192, 8999):
        alone = histogram_klom(unlearned[:, point, None], oracles[:, point, None])
        assert values[point] == alone[0]


def test_a_summary_has_mean_and_percentiles_over_points():
    findings = summary(np.arange(101.0), models=64)
    values = {name: finding.value for name, finding in findings.items()}
    assert values == {"mean": 50, "p95": 95, "p05": 5}
    assert {finding.n for finding in findings.values()} == {64}


@pytest.mark.parametrize(("models", "points", "reason"), [(1, 3, "1 models"), (4, 0, "no points")])
def test_too_few_models_or_no_points_are_null_with_the_reason(models, points, reason):
    generator = np.random.default_rng(0)
    values = klom(generator.normal(size=(models, points)), generator.normal(size=(8, points)))
    for finding in summary(values, models).values():
        assert finding.value is None and reason in finding.reason and finding.n == models


def test_margins_that_cannot_be_compared_are_refused_by_name():
    good = np.zeros((3, 4))
    bad = good.copy()
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match="margins of oracle model 2: not finite"):
        gaussian_klom(good, bad)
    with pytest.raises(ValueError, match="4 and 5 points"):
        histogram_klom(good, np.zeros((3, 5)))
    with pytest.raises(ValueError, match="unlearned fleet: 4; allowed is models x points"):
        klom(good[0], good)
    with pytest.raises(ValueError, match="bins: 0"):
        histogram_klom(good, good, bins=0)
