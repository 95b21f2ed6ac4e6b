"""When a search with a kept source ends, and when its source is renewed."""

import itertools

import pytest

from unlearn.perturbations.probe import is_weak
from unlearn.perturbations.stop_rule import MAX_RENEWALS, Decision, StopRule

GO_ON, CONVERGED, RENEW = Decision.GO_ON, Decision.CONVERGED, Decision.RENEW


def decisions(*rounds, least_rounds=1):
    """The decisions after rounds of (error, clean error)."""
    rule = StopRule(stop_error=0.1, clean_error=0.3, least_rounds=least_rounds)
    return [rule.after(*errors) for errors in rounds]


def test_a_source_that_has_learnt_the_noise_alone_has_converged():
    assert decisions((0.5, 0.9), (0.1, 0.3)) == [GO_ON, CONVERGED]
    assert decisions((0.11, 0.9)) == [GO_ON]


def test_least_rounds_are_waited_for():
    assert decisions(*[(0.0, 0.9)] * 3, least_rounds=3) == [GO_ON, GO_ON, CONVERGED]


def test_a_source_that_knows_the_images_is_renewed_after_three_rounds_running():
    knows = (0.05, 0.29)
    assert decisions(knows, knows, knows) == [GO_ON, GO_ON, RENEW]
    assert decisions(knows, knows, (0.2, 0.29), knows, knows, knows)[-1] == RENEW
    assert RENEW not in decisions(knows, knows, (0.2, 0.29), knows, knows)


def test_renewals_end():
    made = decisions(*[(0.0, 0.0)] * 30)
    assert made.count(RENEW) == MAX_RENEWALS and CONVERGED not in made


def test_no_source_below_the_clean_error_ever_converges():
    grid = [i / 20 for i in range(21)]
    for error, clean_error in itertools.product(grid, grid):
        is_converged = decisions((error, clean_error)) == [CONVERGED]
        assert is_converged == (error <= 0.1 and clean_error >= 0.3)


@pytest.mark.parametrize(
    ("error", "clean_error", "weak"),
    [(0.9, 0.1, False), (0.1, 0.1, True), (0.17, 0.1, True), (0.19, 0.1, False), (0.9, 0.85, None)],
)
def test_noise_is_weak_where_new_models_learn_from_it(error, clean_error, weak):
    assert is_weak(error, clean_error, chance=0.9) is weak
