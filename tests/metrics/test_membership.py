"""Scores of members and non-members: areas, rates, thresholds, classes; the loss and SVC attacks."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from unlearn.metrics.accuracy import log_odds_against
from unlearn.metrics.loss_threshold import threshold_attack
from unlearn.metrics.margins import label_probabilities, margins
from unlearn.metrics.membership import (
    balanced_accuracy,
    best_threshold,
    class_overlap,
    matched_rows,
    roc_auc,
    tpr_at_fpr,
)
from unlearn.metrics.svc_attack import FEATURES, svc_efficacy

N = 40_000
"""Points a side: the standard error of a rate is below .0025."""


def gaussian_scores(distance, seed=0):
    """Scores of members, `distance` above those of non-members, all of variance 1."""
    generator = np.random.default_rng(seed)
    return generator.normal(distance, size=N), generator.normal(size=N)


# -- margins ---------------------------------------------------------------------------------------


def test_margins_in_closed_form():
    assert margins(np.zeros((1, 10)), np.array([3])) == pytest.approx(-math.log(9))
    assert margins(np.array([[2.5, 1.0]]), np.array([1])) == pytest.approx(-1.5)
    saturated = np.zeros((1, 10), np.float32)
    saturated[0, 0] = 1e4
    assert margins(saturated, np.array([0])) == pytest.approx(1e4 - math.log(9))
    assert margins(saturated, np.array([1])) == pytest.approx(-1e4)


def test_margins_of_many_models_are_those_of_each():
    logits = np.random.default_rng(0).normal(size=(3, 2, 5, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0])
    kept = logits.copy()
    values = margins(logits, labels)
    assert values.shape == (3, 2, 5) and values.dtype == np.float64
    assert (values[2, 1] == -log_odds_against(logits[2, 1], labels)).all()
    assert (logits == kept).all()
    assert margins(logits[:0], labels).shape == (0, 2, 5)
    with pytest.raises(ValueError, match=r"\(3,\) labels for logits of \(3, 2, 5, 4\)"):
        margins(logits, labels[:3])


def test_probabilities_of_labels():
    logits = np.log(np.array([[[0.7, 0.2, 0.1]], [[0.1, 0.6, 0.3]]]))
    assert label_probabilities(logits, np.array([1])) == pytest.approx(np.array([[0.2], [0.6]]))


# -- members and non-members -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "area", "accuracy", "rate"),
    [(1, 0.7602, 0.6915, 0.0924), (2, 0.9214, 0.8413, 0.3721), (3, 0.9831, 0.9332, 0.7497)],
)
def test_two_gaussians(distance, area, accuracy, rate):
    members, nonmembers = gaussian_scores(distance)
    assert roc_auc(members, nonmembers).value == pytest.approx(area, abs=0.006)
    threshold = best_threshold(*gaussian_scores(distance, seed=1))
    value = balanced_accuracy(members, nonmembers, threshold).value
    assert value == pytest.approx(accuracy, abs=0.006)
    # the quantile of non-members has a standard error of .02
    assert tpr_at_fpr(members, nonmembers, 0.01).value == pytest.approx(rate, abs=0.03)


def test_equal_scores_tell_nothing():
    scores = np.full(2000, 0.3)
    assert roc_auc(scores, scores).value == 0.5
    threshold = best_threshold(scores, scores)
    assert balanced_accuracy(scores, scores, threshold).value == 0.5
    assert tpr_at_fpr(scores, scores, 0.01).value == 0


def test_ties_count_a_half():
    # 2 ties with 2 and beats 1; 3 beats both; 1 ties with 1
    assert roc_auc(np.array([2, 3, 1]), np.array([1, 2])).value == (1.5 + 2 + 0.5) / 6


def test_swapping_members_and_nonmembers_gives_the_complement():
    members, nonmembers = (np.round(scores, 1) for scores in gaussian_scores(1))
    area = roc_auc(members, nonmembers).value
    assert roc_auc(nonmembers, members).value == pytest.approx(1 - area, abs=1e-12)


def test_a_rate_needs_ten_nonmembers_above_its_threshold():
    members = np.full(3, 2.0)
    finding = tpr_at_fpr(members, np.arange(999) / 999, 0.01)
    assert finding.value is None and finding.reason == "999 non-members; a rate of 0.01 needs 1000"
    assert tpr_at_fpr(members, np.arange(1000) / 1000, 0.01).value == 1
    assert tpr_at_fpr(members, np.arange(9_999) / 9_999, 0.001).value is None
    assert tpr_at_fpr(members, np.arange(10_000) / 10_000, 0.001).value == 1
    with pytest.raises(ValueError, match="rate 0: a false-positive rate is between 0 and 1"):
        tpr_at_fpr(members, members, 0)


def test_the_rate_is_that_of_the_strictest_threshold_that_allows_it():
    nonmembers = np.arange(1000.0)  # ten are above 989
    assert tpr_at_fpr(np.array([989.0, 989.5]), nonmembers, 0.01).value == 0.5


def test_a_threshold_by_hand():
    assert best_threshold(np.array([3.0, 4.0]), np.array([0.0, 1.0])) == 2
    assert best_threshold(np.array([0.0, 0.0]), np.array([1.0])) == -np.inf
    assert balanced_accuracy(np.array([2.0, 1.0]), np.array([0.0]), 2.0).value == 0.75


def test_empty_sides_have_no_value():
    empty = np.empty(0)
    scores = np.ones(2000)
    for sides in ((empty, scores), (scores, empty)):
        assert roc_auc(*sides).value is None
        assert balanced_accuracy(*sides, 0.0).value is None
        assert tpr_at_fpr(*sides, 0.01).value is None
        with pytest.raises(ValueError, match="a threshold needs both"):
            best_threshold(*sides)


# -- classes ---------------------------------------------------------------------------------------


def test_as_many_candidates_as_have_the_mix_of_classes():
    members = np.repeat([0, 1], [10, 5])
    candidates = np.repeat([0, 1, 2], [100, 20, 50])
    rows = matched_rows(members, candidates, seed=0)
    assert np.bincount(candidates[rows]).tolist() == [40, 20]
    assert len(np.unique(rows)) == 60 and (np.diff(rows) > 0).all()
    assert (rows == matched_rows(members, candidates, seed=0)).all()
    assert (rows != matched_rows(members, candidates, seed=1)).any()


def test_one_class_is_compared_with_all_its_candidates():
    candidates = np.array([3, 1, 3, 0, 3])
    assert matched_rows(np.full(2, 3), candidates, seed=0).tolist() == [0, 2, 4]


def test_classes_without_candidates():
    members = np.array([0, 0, 7])
    candidates = np.array([0, 1])
    assert matched_rows(members[2:], candidates, seed=0).size == 0
    assert matched_rows(members, candidates, seed=0).tolist() == [0]
    assert class_overlap(members, candidates).tolist() == [True, True, False]


# -- the loss attack -------------------------------------------------------------------------------


@pytest.mark.parametrize(("distance", "accuracy"), [(1, 0.6915), (2, 0.8413), (3, 0.9332)])
def test_the_loss_attack_on_two_gaussians(distance, accuracy):
    forget, _ = gaussian_scores(distance, seed=1)
    attack = threshold_attack(forget, *gaussian_scores(distance), seed=0)
    assert attack.threshold == pytest.approx(distance / 2, abs=0.15)
    assert attack.balanced_accuracy.value == pytest.approx(accuracy, abs=0.007)
    share = norm.sf(attack.threshold - distance)
    assert attack.member_share.value == pytest.approx(share, abs=0.007)


def test_points_that_choose_the_threshold_are_not_evaluated():
    """On pure noise a threshold that was fitted to the points themselves finds members."""
    generator = np.random.default_rng(0)
    values = [
        threshold_attack(*generator.normal(size=(3, 40)), seed=0).balanced_accuracy.value
        for _ in range(400)
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)
    flattered = []
    for _ in range(100):
        forget, test = generator.normal(size=(2, 40))
        flattered.append(balanced_accuracy(forget, test, best_threshold(forget, test)).value)
    assert np.mean(flattered) > 0.55


def test_the_loss_attack_needs_points_of_all_kinds():
    scores = np.ones(4)
    for sizes in ((0, 4, 4), (4, 0, 4), (4, 4, 1)):
        attack = threshold_attack(*(scores[:size] for size in sizes), seed=0)
        assert attack.member_share.value is None and attack.balanced_accuracy.value is None
    equal = threshold_attack(scores, scores, scores, seed=0)
    assert equal.balanced_accuracy.value == 0.5


# -- the SVC attack --------------------------------------------------------------------------------


def features(name, *probabilities, label=0):
    logits = np.log(np.array(probabilities))
    return FEATURES[name](logits, np.full(len(logits), label))


def test_features_of_a_point_in_closed_form():
    point = (0.7, 0.2, 0.1)
    expected = -(0.3 * math.log(0.7) + 0.2 * math.log(0.8) + 0.1 * math.log(0.9))
    assert expected == pytest.approx(0.1622, abs=1e-4)
    assert features("modified_entropy", point).item() == pytest.approx(expected)
    assert features("confidence", point).item() == pytest.approx(0.7)
    assert features("correctness", point).item() == 1
    assert features("correctness", point, label=1).item() == 0
    assert features("probabilities", point) == pytest.approx(np.array([point]))
    entropy = -sum(p * math.log(p) for p in point)
    assert features("entropy", point, label=2).item() == pytest.approx(entropy)


def test_features_of_saturated_points_are_finite():
    logits = np.array([[1e4, 0, 0], [0, 1e4, 0]], np.float32)
    labels = np.array([0, 0])
    for feature in FEATURES.values():
        assert np.isfinite(feature(logits, labels)).all()
    values = FEATURES["modified_entropy"](logits, labels)
    assert values == pytest.approx(np.array([[0], [2e4 - math.log(2)]]))


def test_the_svc_attack_on_a_toy():
    members = np.full((50, 1), 0.99)
    nonmembers = np.full((50, 1), 0.2)
    assert svc_efficacy(members, nonmembers, np.full((7, 1), 0.99), seed=0).value == 0
    finding = svc_efficacy(members, nonmembers, np.full((7, 1), 0.2), seed=0)
    assert finding.value == 1 and finding.n == 7
    mixed = np.array([[0.99], [0.2], [0.2], [0.2]])
    assert svc_efficacy(members, nonmembers, mixed, seed=0).value == 0.75


def test_the_svc_attack_without_variance_has_no_value():
    ones = np.ones((20, 1))
    finding = svc_efficacy(ones, ones, ones, seed=0)
    assert finding.value is None and "the same features" in finding.reason
    for sides in ((ones[:0], ones, ones), (ones, ones[:0], ones), (ones, ones, ones[:0])):
        assert svc_efficacy(*sides, seed=0).value is None
    broken = np.where(np.arange(20)[:, None] == 3, np.nan, ones)
    assert svc_efficacy(broken, ones, ones, seed=0).reason == "features that are not finite"
    with pytest.raises(ValueError, match="max_points 0"):
        svc_efficacy(ones, ones, ones, seed=0, max_points=0)


def test_the_order_of_retained_points_does_not_matter_to_the_svc_attack():
    """Members are drawn at random: the first ones of a sorted set would be unlike the rest."""
    generator = np.random.default_rng(0)
    retain = np.sort(generator.normal(1.0, size=(2000, 1)), axis=0)
    test = generator.normal(size=(100, 1))
    forget = generator.normal(1.0, size=(400, 1))
    shuffled = generator.permutation(retain)
    values = {
        name: [svc_efficacy(rows, test, forget, seed).value for seed in range(20)]
        for name, rows in (("sorted", retain), ("shuffled", shuffled), ("reverse", retain[::-1]))
    }
    means = {name: np.mean(efficacies) for name, efficacies in values.items()}
    errors = {name: np.std(efficacies) / math.sqrt(20) for name, efficacies in values.items()}
    for name in ("shuffled", "reverse"):
        assert abs(means[name] - means["sorted"]) < 4 * math.hypot(errors[name], errors["sorted"])
    first = svc_efficacy(retain[:100], test, forget, seed=0).value
    assert abs(first - means["sorted"]) > 0.1


def test_the_svc_attack_fits_so_many_points_at_most():
    """With one member and one non-member the boundary lies halfway between them."""
    retain = np.array([[1.0], [1.0], [1.0]])
    test = np.array([[0.0], [0.0], [0.0]])
    forget = np.array([[0.4], [0.6]])
    assert svc_efficacy(retain, test, forget, seed=0, max_points=1).value == 0.5


def test_inputs_are_not_changed():
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=(30, 1)) for _ in range(3)]
    kept = [array.copy() for array in arrays]
    svc_efficacy(*arrays, seed=0)
    flat = [array[:, 0] for array in arrays]
    threshold_attack(*flat, seed=0)
    roc_auc(*flat[:2])
    tpr_at_fpr(flat[0], flat[1], 0.5)
    for array, copy in zip(arrays, kept, strict=True):
        assert (array == copy).all()
