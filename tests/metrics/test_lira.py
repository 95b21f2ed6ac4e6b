"""LiRA and U-LiRA on Gaussian margins: closed forms, null values, coverage of the interval."""

import numpy as np
import pytest

from unlearn.metrics import ulira as ulira_module
from unlearn.metrics.lira import (
    gaussians,
    log_densities,
    offline_lira_scores,
)
from unlearn.metrics.membership import balanced_accuracy, roc_auc, tpr_at_fpr
from unlearn.metrics.ulira import area_finding, leave_pair_out_aucs, matched_scores, ulira

TABLE = [(1, 0.7602, 0.6915, 0.0924), (2, 0.9214, 0.8413, 0.3721), (3, 0.9831, 0.9332, 0.7497)]
"""Distance of two unit Gaussians; area, balanced accuracy, true-positive rate at 1 %."""


def fleet(n_models, n_points, distance=0.0, seed=0, model_effect=0.0):
    """Margins of models whose points lie at different heights, and whose spread is 1."""
    generator = np.random.default_rng([seed, n_models])
    heights = 5 * np.sin(np.arange(n_points))
    effects = model_effect * generator.normal(size=(n_models, 1))
    return heights + distance + effects + generator.normal(size=(n_models, n_points))


# -- LiRA ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("distance", "area", "accuracy", "rate"), TABLE)
def test_lira_on_two_gaussians(distance, area, accuracy, rate):
    """With 1000 models a side the parameters are known to .03."""
    out_margins = fleet(1000, 300, seed=2)
    members = fleet(60, 300, distance, seed=3)
    nonmembers = fleet(60, 300, seed=4)
    results = [offline_lira_scores(x, out_margins) for x in (members, nonmembers)]
    assert not results[0].n_floored
    scores = [result.scores for result in results]
    assert scores[0].shape == (60, 300)
    assert roc_auc(*scores).value == pytest.approx(area, abs=0.01)
    assert tpr_at_fpr(*scores, 0.01).value == pytest.approx(rate, abs=0.03)
    value = balanced_accuracy(*scores, threshold=distance / 2).value
    assert value == pytest.approx(accuracy, abs=0.01)


def test_lira_scores_by_hand():
    out_margins = np.array([[0.0, 10.0], [2.0, 12.0]])  # means 1 and 11, variances 2
    target = np.array([[1.0, 14.0]])
    offline = offline_lira_scores(target, out_margins).scores
    assert offline == pytest.approx(np.array([[0, 3 / np.sqrt(2)]]))


def test_a_point_has_a_variance_of_its_own_from_32_models_on():
    scales = np.array([1.0, 10.0])
    for n_models, ratio in ((31, 1), (32, 10)):
        out_margins = fleet(n_models, 2) * scales
        means = out_margins.mean(axis=0)
        scores = offline_lira_scores((means + 1)[None], out_margins).scores[0]
        assert scores[0] / scores[1] == pytest.approx(ratio, rel=0.5 if ratio > 1 else 1e-9)


def test_points_without_spread_are_counted():
    out_margins = fleet(32, 100)
    out_margins[:, :5] = 4.0
    result = offline_lira_scores(out_margins[:1], out_margins)
    assert result.n_floored == 5 and np.isfinite(result.scores).all()
    out_margins[:, 5] = 4.0
    result = offline_lira_scores(out_margins[:1], out_margins)
    assert result.scores is None and result.n_floored == 6
    assert result.reason == "6 of 100 points have a spread below 0.001 nats; at most 5% may"


def test_lira_says_why_it_has_no_scores():
    margins = fleet(5, 3)
    one_model = offline_lira_scores(margins, margins[:1])
    assert one_model.reason == "1 models without the points; a fit needs 2"
    broken = margins.copy()
    broken[2, 1] = np.nan
    result = offline_lira_scores(margins, broken)
    assert result.reason == "1 of 5 models without the points have margins that are not finite"
    assert offline_lira_scores(broken, margins).reason.startswith("1 of 5 targets")
    assert offline_lira_scores(margins[:, :0], margins[:, :0]).reason == "no points"
    with pytest.raises(ValueError, match=r"models without the points: \(5, 1\); allowed: .*, 3"):
        offline_lira_scores(margins, margins[:, :1])


# -- U-LiRA ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("distance", "area", "accuracy", "rate"), TABLE)
def test_ulira_on_two_gaussians(distance, area, accuracy, rate):
    """Below 32 models a side the one variance of all points is known as well as the area needs."""
    result = ulira(fleet(64, 400, distance, seed=1), fleet(64, 400, seed=2), seed=0)
    assert result.auc.value == pytest.approx(area, abs=0.02)
    assert result.auc.low < result.auc.value < result.auc.high and result.auc.n == 64
    assert result.balanced_accuracy.value == pytest.approx(accuracy, abs=0.02)
    assert result.tpr_at_one_percent.value == pytest.approx(rate, abs=0.08)
    assert result.tpr_at_one_per_mille.value < result.tpr_at_one_percent.value
    assert result.point_aucs.mean() == pytest.approx(area, abs=0.02)


@pytest.mark.parametrize(
    ("n_models", "flattered"), [(4, 0.784), (8, 0.681), (16, 0.626), (32, 0.588), (64, 0.560)]
)
def test_identical_fleets_cannot_be_told_apart(n_models, flattered):
    """Scored models inside their fits would tell fleets apart that are the same."""
    tolerance = 0.01 if n_models == 64 else 0.02
    one = fleet(n_models, 2000, seed=1)
    other = fleet(n_models, 2000, seed=2)
    result = ulira(one, other, seed=0)
    assert result.auc.value == pytest.approx(0.5, abs=tolerance)
    assert result.balanced_accuracy.value == pytest.approx(0.5, abs=tolerance)
    assert result.point_aucs.mean() == pytest.approx(0.5, abs=tolerance)
    assert result.auc.low < 0.5 < result.auc.high
    fits = [gaussians(side, n_models=64) for side in (one, other)]
    inside = [log_densities(x, fits[0]) - log_densities(x, fits[1]) for x in (one, other)]
    assert roc_auc(*inside).value == pytest.approx(flattered, abs=0.02)
    fits = [gaussians(side, n_models) for side in (one, other)]
    inside = [log_densities(x, fits[0]) - log_densities(x, fits[1]) for x in (one, other)]
    assert roc_auc(*inside).value > 0.55  # one variance for all points hides less than half of it


def test_scores_of_different_fits_do_not_compare_models_at_one_point():
    """Both models are in the other's fit, which makes identical fleets read .45."""
    one = fleet(16, 4000, seed=1)
    other = fleet(16, 4000, seed=2)
    scores = matched_scores(one, other, is_pooled=True)
    wins = scores.unlearned[:, None] > scores.oracle[None]
    assert wins.mean() < 0.47
    assert leave_pair_out_aucs(one, other, is_pooled=True).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("n_models", [5, 33])
def test_held_out_fits_are_those_of_the_other_models(n_models):
    """The closed form of means and variances, against fits of all but one model."""
    is_pooled = n_models < 32
    one = fleet(n_models, 7, distance=1.0, seed=1)
    other = fleet(n_models, 7, seed=2)
    scores = matched_scores(one, other, is_pooled)
    aucs = leave_pair_out_aucs(one, other, is_pooled)
    wins = np.zeros(7)
    for i in range(n_models):
        for j in range(n_models):
            sides = (np.delete(one, i, axis=0), np.delete(other, j, axis=0))
            pair = _scores_by_definition(np.stack([one[i], other[j]]), *sides, is_pooled)
            wins += pair[0] > pair[1]
            if i == j:
                assert scores.unlearned[i] == pytest.approx(pair[0])
                assert scores.oracle[i] == pytest.approx(pair[1])
    assert aucs == pytest.approx(wins / n_models**2)


def _scores_by_definition(margins, in_margins, out_margins, is_pooled):
    densities = []
    for side in (in_margins, out_margins):
        variances = side.var(axis=0, ddof=1)
        if is_pooled:
            variances = np.full_like(variances, variances.mean())
        residuals = margins - side.mean(axis=0)
        densities.append(-(residuals**2) / (2 * variances) - np.log(variances) / 2)
    return densities[0] - densities[1]


def test_the_scores_are_in_the_order_of_the_models():
    one = fleet(8, 50, seed=1)
    other = fleet(8, 50, seed=2)
    other[3] -= 20
    result = ulira(one, other, seed=0)
    assert result.oracle_scores.mean(axis=1).argmin() == 3
    again = ulira(one, other, seed=0)
    assert again.auc == result.auc and (again.oracle_scores == result.oracle_scores).all()
    assert ulira(one, other, seed=1).auc.value == result.auc.value  # it compares all pairs


def test_swapping_the_sides_changes_their_roles_but_not_the_area():
    """The ratio turns over with its sides; the sides of the area alone give the complement."""
    result = ulira(fleet(40, 300, 1.0, seed=1), fleet(40, 300, seed=2), seed=0)
    swapped = ulira(fleet(40, 300, seed=2), fleet(40, 300, 1.0, seed=1), seed=0)
    assert swapped.auc.value == pytest.approx(result.auc.value, abs=0.02)
    pooled = roc_auc(result.unlearned_scores, result.oracle_scores).value
    complement = roc_auc(result.oracle_scores, result.unlearned_scores).value
    assert complement == pytest.approx(1 - pooled, abs=1e-12)


@pytest.mark.parametrize("n_models", [8, 32])
def test_points_that_move_together_do_not_bias_the_null(n_models):
    """As those of one class do; one curve over all pairs of models and points reads .45."""
    generator = np.random.default_rng(5)
    areas = []
    for _ in range(150):
        sides = [
            0.99 * generator.normal(size=(n_models, 1))
            + 0.1 * generator.normal(size=(n_models, 40))
            for _ in range(2)
        ]
        areas.append(ulira(*sides, seed=0).auc.value)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize("n_models", [8, 40])
def test_a_constant_fleet_has_finite_scores_and_no_value(n_models):
    constant = np.full((n_models, 20), 3.0)
    other = fleet(n_models, 20)
    for sides in ((constant, other), (other, constant), (constant, constant)):
        scores = matched_scores(*sides, is_pooled=n_models < 32)
        assert np.isfinite(scores.unlearned).all() and np.isfinite(scores.oracle).all()
        result = ulira(*sides, seed=0)
        assert result.auc.value is None and result.n_floored == 20
        assert result.auc.reason.startswith("20 of 20 points have a spread below 0.001 nats")
        assert result.unlearned_scores is None and result.point_aucs is None


def test_a_few_points_without_spread_are_counted():
    one = fleet(40, 100, seed=1)
    one[:, :5] = 3.0
    result = ulira(one, fleet(40, 100, seed=2), seed=0)
    assert result.n_floored == 5 and np.isfinite(result.point_aucs).all()
    assert result.auc.value is not None


def test_one_model_that_differs_makes_no_variance_negative():
    """Without it all margins of a point are the same, to the last digit of large numbers."""
    one = fleet(40, 100, seed=1)
    one[:, 7] = 1e4 / 3
    one[11, 7] = 7e3
    result = ulira(one, fleet(40, 100, seed=2), seed=0)
    assert result.n_floored == 1 and np.isfinite(result.unlearned_scores).all()


def test_ulira_says_why_it_has_no_value():
    margins = fleet(8, 10)
    broken = margins.copy()
    broken[2, 1] = np.inf
    reasons = {
        "8 unlearned models and 7 oracles; the sides must be of one size": (margins, margins[:7]),
        "3 models a side; at least 4 are needed": (margins[:3], margins[:3]),
        "1 of 8 oracles have margins that are not finite": (margins, broken),
        "no points": (margins[:, :0], margins[:, :0]),
    }
    for reason, sides in reasons.items():
        result = ulira(*sides, seed=0)
        findings = (result.auc, result.balanced_accuracy, result.tpr_at_one_percent)
        assert {(finding.value, finding.reason) for finding in findings} == {(None, reason)}
    with pytest.raises(ValueError, match=r"margins of oracles: \(8, 9\); allowed: \(models, 10\)"):
        ulira(margins, margins[:, :9], seed=0)


def test_rates_need_enough_pairs():
    result = ulira(fleet(8, 100, 1.0, seed=1), fleet(8, 100, seed=2), seed=0)
    assert result.auc.value is not None and result.tpr_at_one_percent.value is None
    assert result.tpr_at_one_percent.reason == "800 non-members; a rate of 0.01 needs 1000"


def test_inputs_are_not_changed():
    one = fleet(8, 30, seed=1)
    other = fleet(8, 30, seed=2)
    kept = one.copy(), other.copy()
    ulira(one, other, seed=0)
    offline_lira_scores(one, other)
    assert (one == kept[0]).all() and (other == kept[1]).all()


def test_chunks_of_points_do_not_matter(monkeypatch):
    one = fleet(6, 50, seed=1)
    other = fleet(6, 50, seed=2)
    expected = leave_pair_out_aucs(one, other, is_pooled=False)
    monkeypatch.setattr(ulira_module, "CHUNK_POINTS", 7)
    assert (leave_pair_out_aucs(one, other, is_pooled=False) == expected).all()


@pytest.mark.parametrize("distance", [0.0, 1.0])
@pytest.mark.parametrize("model_effect", [0.0, 0.5])
def test_the_interval_covers_the_area(distance, model_effect):
    """In 300 populations. The variance of DeLong, of scores alone, covers .5 in 80 % of them."""
    n_models = 16
    areas = []
    ends = []
    delong = []
    for seed in range(300):
        one = fleet(n_models, 100, distance, 2 * seed, model_effect)
        other = fleet(n_models, 100, 0.0, 2 * seed + 1, model_effect)
        scores = matched_scores(one, other, is_pooled=True)
        finding = area_finding(one, other)
        areas.append(finding.value)
        ends.append((finding.low, finding.high))
        delong.append(_delong_half_width(scores.unlearned, scores.oracle))
    expected = 0.5 if distance == 0 else np.mean(areas)
    low, high = np.transpose(ends)
    coverage = np.mean((low <= expected) & (expected <= high))
    assert coverage > 0.9
    if distance == 0:
        assert coverage > 0.93
        assert np.mean(np.abs(np.array(areas) - expected) < delong) < 0.88


def _delong_half_width(unlearned_scores, oracle_scores):
    by_model = [
        [roc_auc(row, oracle_scores).value for row in unlearned_scores],
        [roc_auc(unlearned_scores, row).value for row in oracle_scores],
    ]
    return 1.96 * np.sqrt(np.var(by_model, axis=1, ddof=1).sum() / len(unlearned_scores))
