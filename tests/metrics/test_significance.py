"""Tests of paired differences, Holm's correction and detectable effects."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from unlearn.metrics.significance import holm, minimum_detectable_effect, paired_p_value


@pytest.mark.parametrize(
    ("n", "smallest"), [(1, 1), (5, 0.0625), (6, 0.03125), (8, 0.0078125), (10, 0.001953125)]
)
def test_the_smallest_p_value_of_n_pairs(n, smallest):
    assert paired_p_value(np.arange(1.0, n + 1)) == smallest
    assert paired_p_value(-np.arange(1.0, n + 1)) == smallest


def test_sign_flips_by_hand():
    """Of the sums of +-1 +-2 +-3, the four 2, 4, -2, -4 and two 0 are nearer to 0 than 6."""
    assert paired_p_value(np.array([1.0, 2, 3])) == 2 / 8
    assert paired_p_value(np.array([-1.0, 2, 3])) == 4 / 8
    assert paired_p_value(np.array([1.0, -2, np.nan, 3, np.inf])) == 6 / 8


def test_no_differences_are_no_evidence():
    assert paired_p_value(np.zeros(5)) == 1
    assert paired_p_value(np.zeros(20)) == 1
    assert paired_p_value(np.array([np.nan])) is None


def test_many_pairs_have_the_t_test():
    differences = np.random.default_rng(0).normal(0.4, size=13)
    assert paired_p_value(differences) == pytest.approx(ttest_1samp(differences, 0).pvalue)
    assert paired_p_value(np.full(20, 0.3)) == 2.0**-19


def test_the_sign_flip_test_keeps_its_error_rate():
    generator = np.random.default_rng(0)
    p_values = [paired_p_value(generator.standard_t(3, size=8)) for _ in range(4000)]
    rejected = np.mean(np.array(p_values) <= 0.05)
    assert rejected == pytest.approx(12 / 256, abs=0.01)  # the largest of its levels below .05


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.02, None, 0.9]) == pytest.approx([1, None, 0.06, None, 1])
    assert holm([None]) == [None] and holm([]) == []


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match=r"p-value: 1.5; allowed is 0..1 or None"):
        holm([0.1, 1.5])


def test_holm_keeps_the_error_of_a_family_and_the_power_of_a_single_test():
    """Of 20 tests of correlated pairs 4 have an effect; an error is a rejection of the others."""
    generator = np.random.default_rng(0)
    effects = np.repeat([2.0, 0], [4, 16])
    errors = discoveries = plain_errors = 0
    for _ in range(1000):
        shared = generator.normal(size=(20, 1))
        differences = effects + np.sqrt(0.5) * (shared + generator.normal(size=(20, 20)))
        p_values = [paired_p_value(column) for column in differences.T]
        corrected = np.array(holm(p_values))
        errors += (corrected[4:] <= 0.05).any()
        plain_errors += (np.array(p_values)[4:] <= 0.05).any()
        discoveries += (corrected[:4] <= 0.05).mean()
    assert errors / 1000 <= 0.05 + 3 * 0.007
    assert plain_errors / 1000 > 0.2
    assert discoveries / 1000 > 0.9


EFFECTS = {
    0.05: {3: 3.27, 5: 1.68, 8: 1.16, 10: 1.00, 15: 0.78, 20: 0.66, 30: 0.53},
    0.0025: {3: 14.7, 8: 2.03, 10: 1.64, 15: 1.20, 20: 0.98, 30: 0.77},
}


@pytest.mark.parametrize("error_rate", EFFECTS)
def test_the_minimum_detectable_effect(error_rate):
    for pairs, effect in EFFECTS[error_rate].items():
        value = minimum_detectable_effect(pairs, error_rate)
        assert value == pytest.approx(effect, abs=0.0101, rel=0.004)


@pytest.mark.parametrize(("pairs", "error_rate"), [(5, 0.0025), (10, 0.05), (2, 0.05)])
def test_the_minimum_detectable_effect_is_found_four_times_of_five(pairs, error_rate):
    effect = minimum_detectable_effect(pairs, error_rate)
    differences = effect + np.random.default_rng(0).normal(size=(200_000, pairs))
    statistic = differences.mean(axis=1) / differences.std(axis=1, ddof=1) * np.sqrt(pairs)
    rejected = np.abs(statistic) > t.ppf(1 - error_rate / 2, pairs - 1)
    assert rejected.mean() == pytest.approx(0.8, abs=0.005)


def test_one_pair_detects_nothing():
    assert minimum_detectable_effect(1) is None
    with pytest.raises(ValueError, match="error_rate: 0; allowed"):
        minimum_detectable_effect(5, 0)
