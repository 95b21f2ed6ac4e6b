"""Relearning of small models: what is learned again, what is scored, and what is the same for all."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.jobs import job
from tests.support.streams import deletions, with_pixels
from unlearn.jobs.relearn import Relearner, halves
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.metrics.accuracy import accuracy, mean_loss
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.fleet import Member, Subset
from unlearn.training.relearning import Relearning

RELEARNING = Relearning(steps=40, lr=0.05)


def request_of(digits):
    """The deletion of half of the data: most of a class is left to be relearned."""
    return deletions(digits.base_ids[::2])


def relearned(digits, described, request, relearning=RELEARNING, data=None):
    """The rows of a fleet as {(seed, steps, metric, split): value}, and the unlearning's result."""
    trained = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, trained.states, request)
    relearner = Relearner(data or digits, described, request, relearning)
    rows = {tuple(row[:4]): row[4] for row in relearner.curves(trained.states, result.states)}
    return rows, trained, result


def test_step_0_scores_the_unlearned_model_and_the_half_that_is_not_relearned(digits):
    described = job(method="finetune", epochs=8, seeds=(0, 3))
    request = request_of(digits)
    rows, _, result = relearned(digits, described, request)
    for k, seed in enumerate((0, 3)):
        _, held_out_ids = halves(request.deletions[0], seed)
        places = {
            "forget": np.searchsorted(result.ids, held_out_ids),
            "test": slice(-len(digits.test_labels), None),
        }
        labels = {"forget": digits.train_labels[held_out_ids], "test": digits.test_labels}
        for split, place in places.items():
            logits = result.logits[k, 0, place]
            step_accuracy = rows[seed, 0, "relearned_accuracy", split]
            assert step_accuracy == accuracy(logits, labels[split])
            expected = mean_loss(logits, labels[split])
            assert rows[seed, 0, "relearned_loss", split] == pytest.approx(expected, abs=1e-6)


def test_the_halves_are_those_of_the_seed_whatever_the_method():
    ids = np.arange(3, 40, 2)
    half_ids, held_out_ids = halves(ids, 0)
    assert len(half_ids) == 10 and len(held_out_ids) == 9
    assert np.array_equal(np.union1d(half_ids, held_out_ids), ids)
    assert np.array_equal(halves(ids, 0)[0], half_ids)
    assert not np.array_equal(halves(ids, 1)[0], half_ids)


def test_relearning_learns_a_deleted_class_again(digits):
    """The loss of the points that are not shown falls, since they are of the class that is."""
    class_ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    rows, _, _ = relearned(digits, job(method="retrain", epochs=8), deletions(class_ids))
    accuracies = [rows[0, step, "relearned_accuracy", "forget"] for step in (0, 40)]
    losses = [rows[0, step, "relearned_loss", "forget"] for step in (0, 40)]
    assert accuracies[0] == 0 and accuracies[1] > 0.5
    assert losses[1] < 0.5 * losses[0]


def test_the_original_has_relearned_at_once_and_the_oracle_has_not(digits):
    class_ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    request = deletions(class_ids)
    steps = {}
    for method in ("original", "retrain"):
        described = job(method=method, epochs=8)
        relearning = Relearning(steps=200, lr=0.05)
        rows, _, _ = relearned(digits, described, request, relearning)
        steps[method] = rows[0, None, "relearning_steps", "forget"]
    assert steps["original"] == 0 < steps["retrain"] <= 200


def test_the_half_that_is_scored_is_not_trained_on(digits):
    """Destroying it changes its scores, and no score of the test points."""
    described = job(method="finetune")
    request = request_of(digits)
    trained = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, trained.states, request)
    half_ids, held_out_ids = halves(request.deletions[0], 0)
    tests = {}
    for name, ids in (("none", NO_IDS), ("held out", held_out_ids), ("half", half_ids)):
        relearner = Relearner(with_pixels(digits, ids, 77), described, request, RELEARNING)
        rows = list(relearner.curves(trained.states, result.states))
        tests[name] = [row for row in rows if row[3] == "test"]
    assert tests["none"] == tests["held out"] != tests["half"]


def test_relearning_is_deterministic(digits):
    described = job("cnn1", method="gradient_ascent", precision="bfloat16")
    first, _, _ = relearned(digits, described, request_of(digits))
    second, _, _ = relearned(digits, described, request_of(digits))
    assert first == second


@pytest.mark.parametrize("method", ["finetune", "deltagrad", "influence_distillation"])
def test_a_stream_relearns_all_that_is_deleted_from_the_last_model(method, digits):
    """Students of another architecture, too; the models are those after the last step."""
    options = {"student": "logistic", "epochs": 1} if method == "influence_distillation" else None
    described = job(method=method, options=options)
    request = deletions(digits.base_ids[:10], digits.base_ids[10:30])
    rows, _, result = relearned(digits, described, request)
    _, held_out_ids = halves(digits.base_ids[:30], 0)
    place = np.searchsorted(result.ids, held_out_ids)
    expected = mean_loss(result.logits[0, -1, place], digits.train_labels[held_out_ids])
    assert rows[0, 0, "relearned_loss", "forget"] == pytest.approx(expected, abs=1e-5)
    is_moved = rows[0, 40, "relearned_loss", "test"] != rows[0, 0, "relearned_loss", "test"]
    assert is_moved


def test_batch_normalisation_is_frozen(digits):
    described = job("resnet9", size={"width": 2}, method="original")
    relearning = Relearning(steps=1, lr=1e-30, batch_size=1)
    rows, _, _ = relearned(digits, described, request_of(digits), relearning)
    assert rows[0, 0, "relearned_loss", "test"] == rows[0, 1, "relearned_loss", "test"]


def test_a_divergence_has_no_values_from_then_on(digits):
    relearning = Relearning(steps=8, lr=1e30)
    with pytest.warns(UserWarning, match="diverged"):
        rows, _, _ = relearned(digits, job(method="finetune"), request_of(digits), relearning)
    assert rows[0, 0, "relearned_accuracy", "forget"] is not None
    assert rows[0, 8, "relearned_accuracy", "forget"] is None
    assert rows[0, 8, "relearned_loss", "test"] is None


def test_one_deleted_point_leaves_none_to_score(digits):
    rows, _, _ = relearned(digits, job(method="original"), deletions(digits.base_ids[:1]))
    assert rows[0, 40, "relearned_accuracy", "forget"] is None
    assert rows[0, 40, "relearned_accuracy", "test"] is not None
    assert rows[0, None, "relearning_steps", "forget"] is None


def test_no_deleted_point_gives_no_curve(digits):
    """A member that never saw the points of a request, and a request of additions."""
    described = job(method="original")
    subset = Subset(0.5, draw=3)
    outside = np.setdiff1d(digits.base_ids, subset.ids(digits.base_ids))[:9]
    members = (Member(0, subset), Member(1))
    rows, _, _ = relearned(digits, replace(described, members=members), deletions(outside))
    assert {seed for seed, *_ in rows} == {1}
    addition = Request([NO_IDS], [digits.held_out_ids[:5]])
    assert relearned(digits, described, addition)[0] == {}
