"""RMIA: closed cases, memberships of references, the choice of `a`."""

import numpy as np
import pytest
from scipy.special import expit

from unlearn.metrics.membership import roc_auc
from unlearn.metrics.rmia import A_GRID, choose_a, out_means, rmia_scores


def test_the_probability_under_models_in_general():
    """p_out = .5 and a = .3 give .675: a point's ratio is above 1 from a probability of .675 on."""
    references = np.array([[0.4], [0.6]])
    population = np.array([[1.0]])  # (1.3 + .7) / 2 = 1, so that the ratio is 1
    for probability, score in ((0.6749, 0), (0.6751, 1)):
        scores = rmia_scores(np.array([[probability]]), references, population, population, 0.3)
        assert scores.tolist() == [[score]]


@pytest.mark.parametrize("n_references", [1, 2, 3, 4])
def test_a_target_that_equals_the_mean_of_references_tells_nothing(n_references):
    references = np.random.default_rng(0).uniform(size=(n_references, 30))
    target = references.mean(axis=0, keepdims=True)
    points = np.s_[:, :10]
    population = np.s_[:, 10:]
    scores = rmia_scores(
        target[points], references[points], target[population], references[population], 1.0
    )
    assert (scores == 0.5).all()


def test_scores_by_hand():
    """Ratios of the points are 2 and 1; those of the population .5, 1, 1.5 and 2."""
    references = np.full((1, 2), 0.4)
    population_references = np.full((1, 4), 0.4)
    target = np.array([[0.8, 0.4], [0.2, 0.1]])
    population = np.tile([[0.2, 0.4, 0.6, 0.8]], (2, 1))
    scores = rmia_scores(target, references, population, population_references, 1.0)
    assert scores.tolist() == [[3.5 / 4, 1.5 / 4], [0.5 / 4, 0]]


def test_a_probability_of_zero_under_all_models_is_no_evidence():
    zero = np.zeros((1, 1))
    one = np.ones((1, 1))
    assert rmia_scores(zero, zero, one, one, 1.0).tolist() == [[0.5]]
    assert rmia_scores(one, zero, one, one, 1.0).tolist() == [[1]]


def test_a_reference_that_was_trained_on_a_point_does_not_change_its_score():
    generator = np.random.default_rng(0)
    references = generator.uniform(size=(3, 6))
    membership = np.array([[1, 0, 0, 0, 1, 0], [0, 0, 0, 1, 1, 0], [0, 0, 1, 0, 0, 0]], bool)
    means = out_means(references, membership)
    assert means[0, 4] == references[2, 4]
    assert means[0, 1] == pytest.approx(references[:, 1].mean())
    for value in (0.0, 1.0):  # neither the largest nor the smallest values count, nor zeros
        changed = np.where(membership, value, references)
        assert (out_means(changed, membership) == means).all()
    none = np.zeros_like(membership)
    target = generator.uniform(size=(2, 6))
    population = generator.uniform(size=(2, 9)), generator.uniform(size=(3, 9))
    scores = rmia_scores(target, references, *population, 0.3)
    assert rmia_scores(target, out_means(references, none), *population, 0.3) == pytest.approx(
        scores
    )


def test_bad_inputs_are_named():
    values = np.full((2, 3), 0.5)
    with pytest.raises(ValueError, match=r"a 1\.5: allowed are 0 to 1"):
        rmia_scores(values, values, values, values, 1.5)
    with pytest.raises(ValueError, match="points: a probability is not in"):
        rmia_scores(values + 1, values, values, values, 0.3)
    with pytest.raises(ValueError, match="population points: a probability is not in"):
        rmia_scores(values, values, values, values * np.nan, 0.3)
    with pytest.raises(ValueError, match=r"population points: targets \(2, 3\), references \(0, 3"):
        rmia_scores(values, values, values, values[:0], 0.3)
    with pytest.raises(ValueError, match="2 targets, 1 with a population"):
        rmia_scores(values, values, values[:1], values, 0.3)
    membership = np.array([[1, 0, 0], [1, 1, 0]], bool)
    with pytest.raises(ValueError, match="1 of 3 points have been trained on by all 2 references"):
        out_means(values, membership)
    with pytest.raises(ValueError, match=r"membership \(2, 2\): allowed is \(2, 3\)"):
        out_means(values, membership[:, :2])


def shadow_models(n_models=4, n_points=600, seed=0):
    """Probabilities of easy and hard points under models that were trained on a half of them."""
    generator = np.random.default_rng(seed)
    difficulty = 2 * generator.normal(size=2 * n_points)
    membership = generator.uniform(size=(n_models, n_points)) < 0.5
    gain = np.concatenate([2 * membership, np.zeros((n_models, n_points))], axis=1)
    margins = difficulty + gain + 0.3 * generator.normal(size=gain.shape)
    probabilities = expit(margins)
    return probabilities[:, :n_points], membership, probabilities[:, n_points:]


def test_members_of_shadow_models_are_found():
    references, membership, population = shadow_models()
    points = ~membership[1:].all(axis=0)
    means = out_means(references[1:, points], membership[1:, points])
    scores = rmia_scores(references[:1, points], means, population[:1], population[1:], 0.3)[0]
    area = roc_auc(scores[membership[0, points]], scores[~membership[0, points]]).value
    assert area > 0.85


def test_a_is_chosen_where_references_are_attacked_best():
    references, membership, population = shadow_models()
    kept = references.copy(), membership.copy(), population.copy()
    finding = choose_a(references, membership, population)
    assert finding.value in A_GRID and finding.n == 4
    areas = {}
    for a in (finding.value, 0.0, 1.0):
        each = []
        for held_out in range(4):
            others = np.arange(4) != held_out
            points = ~membership[others].all(axis=0)
            means = out_means(references[others][:, points], membership[others][:, points])
            scores = rmia_scores(
                references[[held_out]][:, points],
                means,
                population[[held_out]],
                population[others],
                a,
            )[0]
            members = membership[held_out, points]
            each.append(roc_auc(scores[members], scores[~members]).value)
        areas[a] = np.mean(each)
    assert areas[finding.value] >= max(areas.values())
    for array, copy in zip((references, membership, population), kept, strict=True):
        assert (array == copy).all()


def test_references_of_one_training_set_choose_no_a():
    """A member of one is a member of all, so that no reference can serve as a target."""
    references, membership, population = shadow_models()
    shared = np.tile(membership[:1], (4, 1))
    for finding in (
        choose_a(references, shared, population),
        choose_a(references[:1], membership[:1], population[:1]),
    ):
        assert finding.value is None
        assert finding.reason == "no reference has members that another was not trained on"
