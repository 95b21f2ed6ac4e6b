"""Jobs of fleets: members with subsets, rows of logits, what an update leaves."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from tests.support.jobs import job
from tests.support.streams import deletions, with_pixels
from unlearn.core import registry
from unlearn.jobs.description import FleetJob, NoiseJob, block
from unlearn.jobs.predict import Predictor
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.methods.original import Original
from unlearn.requests.request import NO_IDS, Request
from unlearn.storage.files import digest
from unlearn.training.fleet import Member, Subset
from unlearn.training.state import Update

HALVES = (Member(0), Member(0, Subset(0.5, draw=3)), Member(5, Subset(0.5, draw=4)))


def halves_job(**keywords):
    """Three members: one of all points, two of different halves."""
    return dataclasses.replace(job(**keywords), members=HALVES)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)


# -- members with a subset -------------------------------------------------------------------------


def test_a_member_is_trained_on_its_subset_only(digits):
    result = train_fleet(digits, halves_job())
    for member, state, cost, sha in zip(
        HALVES, result.states, result.costs, result.train_ids_sha256, strict=True
    ):
        ids = member.train_ids(digits.base_ids)
        task = new_task(digits, halves_job())
        expected = task.trainer.train(task, ids, member.seed)
        assert same(state, {name: np.asarray(expected[name]) for name in expected})
        assert cost["gradient_evaluations"] == 2 * len(ids)
        assert sha == digest(ids)
    assert [len(member.train_ids(digits.base_ids)) for member in HALVES] == [160, 80, 80]
    assert len(set(result.train_ids_sha256)) == 3


def test_points_outside_a_subset_have_no_influence(digits):
    subset_ids = HALVES[1].train_ids(digits.base_ids)
    outside = np.setdiff1d(digits.base_ids, subset_ids)
    states = train_fleet(digits, halves_job()).states
    changed = train_fleet(with_pixels(digits, outside, 77), halves_job()).states
    assert [same(a, b) for a, b in zip(states, changed, strict=True)] == [False, True, False]


@pytest.mark.parametrize("method", ["retrain", "gradient_ascent", "naive_finetuning", "sisa"])
def test_a_request_outside_a_subset_deletes_nothing(digits, method):
    described = halves_job(method=method)
    subset_ids = HALVES[1].train_ids(digits.base_ids)
    outside = np.setdiff1d(digits.base_ids, subset_ids)[:9]
    trained = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, trained.states, deletions(outside))
    rows = slice(-len(digits.test_labels), None)
    assert np.array_equal(result.logits[1, 0, rows], trained.logits[1, rows])
    assert not np.array_equal(result.logits[0, 0, rows], trained.logits[0, rows])


def test_a_member_deletes_the_points_of_a_request_that_it_was_trained_on(digits):
    """The other points of the request are evaluated all the same."""
    described = halves_job(method="retrain")
    request = deletions(digits.base_ids[:30], digits.base_ids[30:40])
    trained = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, trained.states, request)
    for k, member in enumerate(HALVES):
        task = new_task(digits, described)
        ids = member.train_ids(digits.base_ids)
        for t, points in enumerate((30, 40)):
            retain_ids = np.setdiff1d(ids, digits.base_ids[:points])
            expected = task.trainer.train(task, retain_ids, member.seed)
            weights = {name: result.states[k][name][t] for name in result.compared}
            assert same(weights, {name: np.asarray(expected[name]) for name in expected})
            assert result.costs[k][t]["gradient_evaluations"] == 2 * len(retain_ids)
    assert result.train_ids_sha256 == trained.train_ids_sha256


def test_points_can_be_added_to_every_member(digits):
    described = halves_job(method="retrain")
    trained = train_fleet(digits, described)
    request = Request([NO_IDS], [digits.held_out_ids[:5]])
    result = unlearn_fleet(digits, described, trained.states, request)
    spent = [costs[0]["gradient_evaluations"] for costs in result.costs]
    assert spent == [2 * 165, 2 * 85, 2 * 85]


@pytest.mark.parametrize("members", [HALVES[:1], HALVES[1:]], ids=["all", "subsets"])
def test_a_request_must_fit_base_training_whatever_the_members(digits, members):
    described = dataclasses.replace(job(method="original"), members=members)
    trained = train_fleet(digits, described)
    outside = digits.held_out_ids[0]
    for request, message in (
        (deletions([200]), "cannot delete point 200: ids go from 0 to 199"),
        (deletions([outside]), f"cannot delete point {outside}: it is not in the training set"),
        (deletions(digits.base_ids[:1], digits.base_ids[:1]), "it is not in the training set"),
        (Request([NO_IDS], [digits.base_ids[:1]]), "it is in the training set already"),
    ):
        with pytest.raises(ValueError, match=message):
            unlearn_fleet(digits, described, trained.states, request)


def test_an_addition_can_be_deleted_again(digits):
    described = job(method="retrain")
    trained = train_fleet(digits, described)
    added_ids = digits.held_out_ids[:5]
    request = Request([NO_IDS, added_ids], [added_ids, NO_IDS])
    result = unlearn_fleet(digits, described, trained.states, request)
    weights = [{name: result.states[0][name][t] for name in result.compared} for t in (0, 1)]
    assert not same(weights[0], trained.states[0])
    assert same(weights[1], trained.states[0])


# -- rows of the logits ----------------------------------------------------------------------------


def test_ids_name_the_rows_of_the_logits(digits):
    """The sample and the points of the request in one order, then the test points."""
    digits = dataclasses.replace(digits, sample_ids=digits.base_ids[::3])
    described = job(method="original", seeds=(0, 1))
    trained = train_fleet(digits, described)
    assert np.array_equal(trained.ids, digits.sample_ids)
    request = deletions(digits.base_ids[50:60], digits.base_ids[2:5])
    result = unlearn_fleet(digits, described, trained.states, request)
    request_ids = np.concatenate(request.deletions)
    assert np.array_equal(result.ids, np.union1d(digits.sample_ids, request_ids))
    task = new_task(digits, described)
    for fleet, logits in ((trained, trained.logits), (result, result.logits[:, -1])):
        images = np.concatenate(
            [digits.train_images[fleet.ids], digits.validation_images, digits.test_images]
        )
        assert logits.shape[1] == len(images)
        for k, state in enumerate(trained.states):
            expected = task.trainer.predict(task, state, torch.from_numpy(images))
            np.testing.assert_allclose(logits[k], expected, atol=1e-5)


def test_every_point_is_evaluated_once(digits):
    """In whatever order the request names them."""
    request = deletions(digits.base_ids[40:60], digits.base_ids[:20])
    predictor = Predictor(new_task(digits, job()), digits, request)
    public_points = len(digits.validation_labels) + len(digits.test_labels)
    assert np.array_equal(predictor.ids, digits.sample_ids) and len(predictor.ids) == 200
    assert sorted(predictor.order) == list(range(200 + public_points))


# -- updates ---------------------------------------------------------------------------------------


@pytest.fixture
def updates(monkeypatch):
    """What the method `original` returns at each step, in the place of nothing."""
    queue = []
    monkeypatch.setattr(Original, "unlearn", lambda *arguments: queue.pop(0))
    monkeypatch.setattr(Original, "continues", False)  # each update stands for itself
    return queue


def step_job(digits, steps):
    """A job with the method `original`, a trained fleet and a request of so many steps."""
    described = job("mlp", method="original", size={"hidden": 4})
    trained = train_fleet(digits, described)
    request = deletions(*digits.base_ids[: 3 * steps].reshape(steps, 3))
    return described, trained, request


def test_superseded_names_the_tensors_that_changed(digits, updates):
    """Over all steps, whatever later steps return; tensors that are new supersede none."""
    described, trained, request = step_job(digits, 3)
    bias = trained.states[0]["3.bias"]
    updates += [
        Update({"3.bias": bias + 1, "note/new": np.zeros(2)}),
        Update({"1.bias": trained.states[0]["1.bias"] * 2}),
        Update(),
    ]
    stores = []
    result = unlearn_fleet(digits, described, trained.states, request, store=stores.append)
    assert result.superseded == ["1.bias", "3.bias"]
    assert [sorted(tensors) for tensors in stores] == [["3.bias", "note/new"], ["1.bias"]]
    weights = result.states[0]
    assert set(weights) == set(trained.states[0])  # "note/new" serves no prediction
    assert np.array_equal(weights["3.bias"], np.stack([bias + 1] * 3))
    assert np.array_equal(weights["1.bias"][0], trained.states[0]["1.bias"])
    assert np.array_equal(weights["1.bias"][1:], np.stack([trained.states[0]["1.bias"] * 2] * 2))
    sizes = [cost["bytes_stored"] for cost in result.costs[0]]
    assert sizes == [16, 16, 16]  # the note, beside the model


def test_nothing_is_superseded_where_nothing_changed(digits, updates):
    described, trained, request = step_job(digits, 2)
    updates += [Update(), Update()]
    stores = []
    result = unlearn_fleet(digits, described, trained.states, request, store=stores.append)
    assert result.superseded == [] and stores == []
    assert np.array_equal(result.logits[0, 0], trained.logits[0])


def test_a_whole_model_supersedes_all(digits, updates):
    described, trained, request = step_job(digits, 1)
    extended = [trained.states[0] | {"note/old": np.ones(3)}]
    task = new_task(digits, described)
    updates.append(Update(task.new_model(1)))
    result = unlearn_fleet(digits, described, extended, request)
    assert result.superseded == sorted(extended[0])
    assert result.costs[0][0]["bytes_stored"] == 0
    assert "note/old" not in result.states[0]


def test_a_removed_tensor_is_superseded(digits, updates):
    described, trained, request = step_job(digits, 1)
    extended = [trained.states[0] | {"note/old": np.ones(3)}]
    updates.append(Update(remove=["note/old"]))
    result = unlearn_fleet(digits, described, extended, request)
    assert result.superseded == ["note/old"]
    assert result.costs[0][0]["bytes_stored"] == 0


def test_a_step_meets_the_state_that_the_step_before_left(digits, monkeypatch):
    described, trained, request = step_job(digits, 3)
    biases = []

    def doubled(method, task, original, step, seed):
        biases.append(np.asarray(original["3.bias"]).copy())
        return Update({"3.bias": 2 * np.asarray(original["3.bias"])})

    monkeypatch.setattr(Original, "unlearn", doubled)
    before = {name: tensor.copy() for name, tensor in trained.states[0].items()}
    unlearn_fleet(digits, described, trained.states, request)
    assert all(np.array_equal(b, 2**t * before["3.bias"]) for t, b in enumerate(biases))
    assert same(before, trained.states[0])


def test_a_model_that_is_not_finite_has_diverged(digits, updates):
    """Also in a tensor that no prediction needs; a later step that mends it counts for itself."""
    described, trained, request = step_job(digits, 2)
    bias = trained.states[0]["3.bias"]
    updates += [Update({"3.bias": bias * np.nan}), Update({"3.bias": bias})]
    result = unlearn_fleet(digits, described, trained.states, request)
    assert [cost["diverged"] for cost in result.costs[0]] == [True, False]
    updates += [Update({"note/new": np.array([np.inf])}), Update(remove=["note/new"])]
    result = unlearn_fleet(digits, described, trained.states, request)
    assert [cost["diverged"] for cost in result.costs[0]] == [True, False]


# -- descriptions ----------------------------------------------------------------------------------


def test_a_description_is_json_and_back():
    for described in (halves_job(), halves_job(method="sisa"), job("cnn1", seeds=(3, 4))):
        text = json.dumps(described.describe(), sort_keys=True)
        assert FleetJob.read(json.loads(text)) == described
    noise = NoiseJob(noise=block("noises", "error_minimizing", epsilon=0.1), device="cpu")
    assert NoiseJob.read(json.loads(json.dumps(noise.describe()))) == noise


def test_the_identity_of_a_fleet_is_all_that_its_weights_depend_on():
    described = halves_job()
    identity = described.identity("data")
    for change in (
        {"members": HALVES[:2]},
        {"members": tuple(Member(member.seed) for member in HALVES)},
        {"recipe": {**described.recipe, "lr": 0.3}},
        {"model": block("models", "mlp", hidden=7)},
        {"precision": "bfloat16"},
        {"trainer": block("trainers", "teacher")},
    ):
        assert dataclasses.replace(described, **change).identity("data") != identity
    method = block("methods", "finetune")
    for change in ({"method": method}, {"device": "cuda"}, {"torch": "0"}):
        assert dataclasses.replace(described, **change).identity("data") == identity
    assert described.identity("other data") != identity


def test_methods_that_declare_it_can_read_the_validation_split(digits, monkeypatch):
    finetune = registry.find("methods", "finetune")
    with pytest.raises(ValueError, match="validation"):
        _ = new_task(digits, job(method="finetune")).data.validation_images
    monkeypatch.setattr(finetune, "reads", {"retain", "validation"})
    task = new_task(digits, job(method="finetune"))
    assert np.array_equal(task.data.validation_images.numpy(), digits.validation_images)
    assert np.array_equal(task.data.validation_labels.numpy(), digits.validation_labels)
    with pytest.raises(ValueError, match="validation"):
        _ = new_task(digits, job()).data.validation_images
