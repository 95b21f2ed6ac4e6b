"""Scores of points by models on random subsets, and the samplers that read them."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.jobs import build, job
from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.data.label_swap import with_swapped_labels
from unlearn.jobs.score_points import score_points
from unlearn.requests.scoring import PointScores, point_scores
from unlearn.storage.files import ArtifactError
from unlearn.storage.scores import read_scores, write_scores
from unlearn.training.fleet import Member, Subset

KINDS = ("memorised", "easy")


def scores_of(ids, memorisation, loss=None):
    """Scores that are given."""
    values = np.asarray(memorisation, dtype=float)
    loss = values if loss is None else np.asarray(loss, dtype=float)
    counts = np.full(len(ids), 20)
    return PointScores(ids, values, loss, counts, counts)


@pytest.fixture
def scored(digits):
    """160 points in base training whose memorisation rises with the id, from 0 to 1."""
    ids = digits.base_ids
    rising = np.linspace(0, 1, len(ids))
    return replace(digits, scores=scores_of(ids, rising, loss=rising[::-1]))


def draw(dataset, kind, **parameters):
    """The deleted ids of a sampler that has been checked, in the order of its steps."""
    sampler = registry.find("requests", kind)(**parameters)
    held_out = len(dataset.held_out_ids)
    points = len(dataset.train_labels)
    sampler.check(Setting(data=DataFacts("digits", 10, (8, 8, 1), points, held_out)))
    request = sampler.draw(dataset)
    return np.concatenate(request.deletions)


# -- scores ------------------------------------------------------------------------------------------


def test_memorisation_is_accuracy_in_less_accuracy_out():
    """Three points, four models, by hand."""
    is_member = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [0, 1, 1]], bool)
    is_correct = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1]], bool)
    losses = np.array([[1, 2, 9], [3, 9, 1], [9, 4, 1], [9, 6, 4]], np.float32)
    scores = point_scores(np.arange(3), is_member, is_correct, losses)
    assert scores.memorisation.tolist() == pytest.approx([1 - 0.5, 2 / 3 - 0, 2 / 3 - 0])
    assert scores.loss.tolist() == [2, 4, 2]
    assert scores.in_models.tolist() == [2, 3, 3] and scores.out_models.tolist() == [2, 1, 1]


def test_a_point_that_all_models_know_has_no_memorisation():
    everywhere = np.ones((3, 2), bool)
    scores = point_scores(np.arange(2), everywhere, everywhere, np.ones((3, 2)))
    assert np.isnan(scores.memorisation).all() and scores.loss.tolist() == [1, 1]


def test_scores_come_back_from_disk_and_fit_one_data_set(scored, tmp_path):
    path = tmp_path / "memorisation.npz"
    write_scores(path, scored.scores, "abc")
    again = read_scores(path, "abc")
    for name, array in vars(scored.scores).items():
        assert np.array_equal(getattr(again, name), array), name
    with pytest.raises(ArtifactError, match="made for another data set"):
        read_scores(path, "def")


def members(models=40):
    return tuple(
        Member(4_000_000 + index, Subset(0.7, draw=index // 10, turn=index % 10))
        for index in range(models)
    )


def test_points_with_wrong_labels_are_memorised_and_not_easy():
    """A known answer: a wrong label can only be predicted by a model that was trained on it."""
    dataset = with_swapped_labels(build("digits", subset=600), (3, 8), 12, seed=0)
    described = job("mlp", epochs=60, batch_size=32, lr=0.1, size={"hidden": 64})
    predictions, costs = score_points(dataset, replace(described, members=members()))
    scores = point_scores(**predictions)
    assert scores.in_models.tolist() == [28] * 600 and scores.out_models.tolist() == [12] * 600
    wrong = np.isin(scores.ids, dataset.swapped_ids)
    assert scores.memorisation[wrong].mean() > scores.memorisation[~wrong].mean() + 0.5
    scored_dataset = replace(dataset, scores=scores)
    for proxy in (None, "loss"):
        drawn = draw(scored_dataset, "memorised", rate=0.1, proxy=proxy)
        assert np.isin(dataset.swapped_ids, drawn).mean() > 0.8
    assert not np.isin(
        draw(scored_dataset, "easy", rate=0.3, proxy="loss"), dataset.swapped_ids
    ).any()
    assert [cost["gradient_evaluations"] for cost in costs] == [60 * 420] * 40
    assert all(cost["wall_seconds"] > 0 for cost in costs)


def test_models_score_the_points_of_base_training_alone(digits):
    described = replace(job("logistic"), members=members(10))
    predictions, _ = score_points(digits, described)
    again, _ = score_points(replace(digits, test_images=digits.test_images[::-1]), described)
    assert predictions["ids"].tolist() == digits.base_ids.tolist()
    for name, array in predictions.items():
        assert len(array.T) == 160 and np.array_equal(array, again[name]), name
    for row, member in zip(predictions["is_member"], described.members, strict=True):
        assert digits.base_ids[row].tolist() == member.train_ids(digits.base_ids).tolist()


def test_a_scoring_model_that_diverges_is_named(digits):
    described = replace(job("mlp", lr=1e20, epochs=3), members=members(10))
    with pytest.raises(ValueError, match="scoring model of seed 4000000 has diverged"):
        score_points(digits, described)


# -- samplers ----------------------------------------------------------------------------------------


def test_memorised_takes_the_highest_and_easy_the_lowest(scored):
    ids = scored.base_ids
    assert draw(scored, "memorised", count=7).tolist() == ids[-7:].tolist()
    assert draw(scored, "memorised", count=7, level="low").tolist() == ids[:7].tolist()
    assert draw(scored, "easy", count=7).tolist() == ids[:7].tolist()


def test_the_noise_of_hard_points_makes_none_easy(scored):
    """A negative memorisation is as good as none: the extremes are points of much variance."""
    values = np.where(np.arange(160) < 80, 0.0, 1.0)
    values[:20] = -0.3
    noisy = replace(scored, scores=scores_of(scored.base_ids, values))
    chosen = np.isin(scored.base_ids[:80], draw(noisy, "easy", count=40))
    assert chosen.sum() == 40 and 0 < chosen[:20].sum() < 20


def test_mid_is_nearest_to_one_half_and_for_the_loss_to_the_median(scored):
    values = scored.scores.memorisation
    nearest = scored.base_ids[np.argsort(np.abs(values - 0.5), kind="stable")[:5]]
    assert set(draw(scored, "memorised", count=5, level="mid")) == set(nearest)
    by_loss = draw(scored, "memorised", count=4, level="mid", proxy="loss")
    assert by_loss.tolist() == scored.base_ids[78:82].tolist()


def test_a_mix_is_a_third_of_each(scored):
    drawn = set(draw(scored, "memorised", count=15, level="mix"))
    parts = [draw(scored, "memorised", count=5, level=level) for level in ("high", "mid", "low")]
    assert drawn == set(np.concatenate(parts)) and len(drawn) == 15
    assert len(set(draw(scored, "memorised", count=159, level="mix"))) == 159


def test_the_proxy_ranks_by_the_loss(scored):
    ids = scored.base_ids
    assert draw(scored, "memorised", count=6, proxy="loss").tolist() == ids[:6].tolist()
    assert draw(scored, "easy", count=6, proxy="loss").tolist() == ids[-6:].tolist()


def test_the_first_step_has_the_points_that_are_memorised_most(scored):
    drawn = draw(scored, "memorised", count=4, steps=4)
    assert drawn.tolist() == scored.base_ids[-4:][::-1].tolist()


def test_a_seed_decides_among_equal_scores_alone(scored):
    values = np.zeros(160)
    values[:3] = 1
    tied = replace(scored, scores=scores_of(scored.base_ids, values))
    draws = [draw(tied, "memorised", count=10, seed=seed) for seed in (0, 0, 1)]
    assert draws[0].tolist() == draws[1].tolist() != draws[2].tolist()
    assert all(np.isin(scored.base_ids[:3], drawn).all() for drawn in draws)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "either rate or count"),
        ({"count": 160}, "160 points leave nothing of the 160"),
        ({"count": 3, "steps": 4}, "4 steps are more than the 3 points"),
        ({"count": 3, "models": 45}, "models: 45 is not allowed; allowed: a multiple of 10"),
        (
            {"count": 3, "models": 20},
            "models: 20 .* 14 of them are trained on a point .* make it 20",
        ),
        (
            {"count": 3, "models": 40, "fraction": 0.9},
            "models: 40 .* 4 of them are not .* make it 5",
        ),
        ({"count": 3, "models": 5}, "models: 5 is not allowed; allowed: integer between 10"),
        (
            {"count": 3, "proxy": "margin"},
            "proxy: 'margin' is not allowed; allowed: string null, loss",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_scored_or_drawn_is_refused(scored, kind, parameters, message):
    with pytest.raises(ValueError, match=message):
        draw(scored, kind, **parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_models_are_enough_for_the_proxy(scored, kind):
    assert len(draw(scored, kind, count=3, models=10, proxy="loss")) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_scores_that_are_missing_or_of_other_points_are_refused(scored, kind):
    with pytest.raises(ValueError, match="the points have no scores"):
        draw(replace(scored, scores=None), kind, count=3)
    others = scores_of(np.arange(160), np.zeros(160))
    with pytest.raises(ValueError, match="of other points than those in base training"):
        draw(replace(scored, scores=others), kind, count=3)
    lost = scores_of(scored.base_ids, [np.nan, *np.zeros(159)])
    with pytest.raises(ValueError, match=f"point {scored.base_ids[0]} has no score"):
        draw(replace(scored, scores=lost), kind, count=3)
