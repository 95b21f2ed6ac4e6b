"""What SISA predicts: its constituents and how they are aggregated."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.jobs import job
from tests.support.sisa import final, same, sisa_job, slices
from tests.support.streams import deletions
from unlearn.core import seeding
from unlearn.jobs.predict import Predictor
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request
from unlearn.training import loop
from unlearn.training.loop import fit

pytestmark = pytest.mark.filterwarnings("ignore:(a stage|slices without|shards)")


def outputs(data, state, **keywords):
    task = new_task(data, sisa_job(**keywords))
    logits, votes = answers(task, state, torch.from_numpy(data.test_images))
    return logits, votes, task


def answers(task, state, pixels):
    """Logits and votes of a state for images."""
    trainer = task.trainer
    members = trainer.members(state)
    member_logits = [trainer.member_logits(task, member, pixels) for member in members]
    return trainer.predict(task, state, pixels), trainer.votes(member_logits, state)


@pytest.mark.parametrize("shards", [4, 40])
def test_aggregation_by_hand(digits, shards):
    """Mean of distributions, votes with ties by that mean or for the lowest class."""
    trainer = {"shards": shards, "slices": 1}
    state = final(digits, deletions(digits.base_ids[:30]), trainer=trainer, epochs=2)[0]
    mean, votes, task = outputs(digits, state, trainer=trainer)
    logits = []
    for shard in range(shards):
        names = task.new_model(0).state_dict()
        weights = {n: state[f"shard{shard:03d}/slice00/model/{n}"] for n in names}
        pixels = torch.from_numpy(digits.test_images)
        z = loop.predict(task, task.model(weights), pixels).double().numpy()
        logits.append(np.where(state[f"shard{shard:03d}/classes"], z, -np.inf))
    softmax = [np.exp(z - z.max(1, keepdims=True)) for z in logits]
    softmax = np.array([p / p.sum(1, keepdims=True) for p in softmax])
    assert mean.exp().numpy() == pytest.approx(softmax.mean(0), abs=1e-6)
    assert np.array_equal(votes, softmax.argmax(2))
    sizes = np.array([int(state[f"shard{s:03d}/points"]) for s in range(shards)])
    assert len(set(sizes)) > 1
    for kind, weights in (("uniform", np.ones(shards, int)), ("shard_size", sizes)):
        shares = weights / weights.sum()
        expected = (softmax * shares[:, None, None]).sum(0)
        options = trainer | {"weights": kind}
        assert outputs(digits, state, trainer=options)[0].exp().numpy() == pytest.approx(
            expected, abs=1e-6
        )
        ballots = np.array([np.bincount(v, weights=weights, minlength=10) for v in votes.T])
        most = ballots == ballots.max(1, keepdims=True)
        tied = (most.sum(1) > 1).mean()
        assert tied < 1 and (tied > 0 or kind == "shard_size")
        for tie in ("mean_softmax", "lowest_class"):
            options = trainer | {"weights": kind, "aggregation": "vote", "tie": tie}
            log_probabilities = outputs(digits, state, trainer=options)[0]
            rank = expected if tie == "mean_softmax" else -np.arange(10)
            assert np.array_equal(
                log_probabilities.argmax(1), np.where(most, rank, -np.inf).argmax(1)
            )
            assert log_probabilities.exp().numpy() == pytest.approx(
                ballots / weights.sum(), abs=2e-3
            )
            assert torch.isfinite(log_probabilities).all()


def test_a_class_that_no_constituent_knows_has_a_small_finite_probability(digits):
    """Divergences stay of the size that float32 gives them."""
    class_ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    state, _ = final(digits, deletions(class_ids))
    logits, _, _ = outputs(digits, state)
    assert -90 < logits[:, 3].max() < -80
    assert (logits.argmax(1) != 3).all()


def test_training_by_hand(digits):
    """Stage by stage: initial weights, ids, steps and order of a constituent."""
    shard = slices(digits, {"shards": 3, "slices": 2})[1]
    state, task = final(digits, deletions([]), trainer={"shards": 3, "slices": 2})
    seed = seeding.derive(0, "constituent", 1)
    model = task.new_model(seeding.derive(seed, "initial weights"))
    memory = None
    for ids, axes in ((shard[0], []), (np.sort(np.concatenate(shard)), [1])):
        memory = fit(
            task,
            model,
            ids,
            task.recipe,
            seeding.derive(seed, "training", *axes),
            among=ids,
            steps=round(2 * 3 / 3 * -(-len(ids) // 8)),
            state=memory,
        )
    tensors = {n: state[f"shard001/slice01/model/{n}"] for n in model.state_dict()}
    assert same({n: t.numpy() for n, t in model.state_dict().items()}, tensors)


def test_one_class_a_shard_makes_every_vote_a_tie(digits):
    """Accuracy is then chance by construction, whatever the rule."""
    from unlearn.metrics.ensemble import lone_accuracies, tie_fraction, vote_accuracy

    options = {"shards": 10, "slices": 1, "partition": "label"}
    state = final(digits, deletions([]), trainer=options)[0]
    logits, votes, _ = outputs(digits, state, trainer=options)
    assert tie_fraction(votes) == 1
    assert vote_accuracy(votes, digits.test_labels) == np.mean(digits.test_labels == 0)
    assert np.allclose(logits.exp(), 0.1, atol=1e-6)
    lone = lone_accuracies(votes, digits.test_labels)
    assert lone == pytest.approx(np.bincount(digits.test_labels) / len(digits.test_labels))


def test_a_class_that_left_a_shard_leaves_its_mask(digits):
    shard_ids = np.concatenate(slices(digits)[0])
    label = int(digits.train_labels[shard_ids[0]])
    class_ids = shard_ids[digits.train_labels[shard_ids] == label]
    for ids, occurs in ((class_ids[:-1], True), (class_ids, False)):
        state, _ = final(digits, deletions(ids))
        assert bool(state["shard000/classes"][label]) is occurs
    assert bool(state["shard001/classes"][label])


def test_absent_shards_have_no_vote(digits):
    shard = slices(digits)[1]
    state, _ = final(digits, deletions(np.concatenate(shard)))
    assert (state["assignment"][:, shard[0]] == -1).all()
    assert [n for n in state if n.startswith("shard001/")] == ["shard001/points"]
    logits, votes, _ = outputs(digits, state)
    assert (votes[1] == -1).all() and (votes[[0, 2]] >= 0).all()
    assert torch.isfinite(logits).all()


def test_a_shard_can_come_back(digits):
    ids = np.concatenate(slices(digits)[1])
    request = Request([ids, NO_IDS], [NO_IDS, ids])
    assert same(final(digits, request)[0], final(digits, deletions([]))[0])


def test_no_training_data_left(digits):
    with pytest.raises(ValueError, match="no training data left"):
        final(digits, deletions(digits.base_ids))


def test_one_shard_and_one_slice_is_plain_training(digits):
    everyone = replace(digits, held_out_ids=NO_IDS)
    plain = train_fleet(everyone, job(batch_size=8, epochs=3, seeds=(4,))).states[0]
    one = {"shards": 1, "slices": 1}
    sisa_state = train_fleet(everyone, sisa_job(trainer=one, seeds=(4,))).states[0]
    weights = {
        n.removeprefix("shard000/slice00/model/"): t
        for n, t in sisa_state.items()
        if "/model/" in n
    }
    assert same(plain, weights)


def test_constituents_differ_in_their_initial_weights(digits):
    state, _ = final(digits, deletions([]), lr=1e-9, momentum=0.0, weight_decay=0.0)
    weights = [state[f"shard{s:03d}/slice02/model/1.weight"].tobytes() for s in range(3)]
    assert len({hashlib.sha256(w).digest() for w in weights}) == 3


@pytest.mark.parametrize("method", ["original", "sisa", "retrain"])
def test_constituents_that_training_evaluated_are_not_evaluated_again(digits, method, monkeypatch):
    """Same outputs to the bit; only what is new is predicted: shards hit, points of the request."""
    predicted_points = []
    digits = replace(digits, sample_ids=digits.base_ids[::3])

    def counted(task, network, pixels, predict=loop.predict):
        predicted_points.append(len(pixels))
        return predict(task, network, pixels)

    monkeypatch.setattr(loop, "predict", counted)
    fleet_job = sisa_job(method=method, seeds=(0, 1))
    trained = train_fleet(digits, fleet_job)
    everywhere = sum(map(len, (digits.sample_ids, digits.validation_labels, digits.test_labels)))
    assert sum(predicted_points) == 2 * 3 * everywhere
    assert {c.shape for c in trained.constituents.values()} == {(everywhere, 10)}
    hit = slices(digits)[1]
    deleted_ids = np.setdiff1d(np.concatenate(hit), digits.sample_ids)[:4]
    assert len(deleted_ids) == 4
    runs = []
    counts = []
    for constituents in ({}, trained.constituents):
        predicted_points.clear()
        request = deletions(deleted_ids)
        runs.append(
            unlearn_fleet(digits, fleet_job, trained.states, request, constituents=constituents)
        )
        counts.append(sum(predicted_points))
    anew = 0 if method == "original" else 1
    assert counts == [2 * 3 * (everywhere + 4), 2 * (3 * 4 + anew * everywhere)]
    assert runs[0].logits.tobytes() == runs[1].logits.tobytes()
    assert np.array_equal(runs[0].votes, runs[1].votes)


def test_predictions_lie_where_their_points_do(digits):
    """Groups are predicted apart and put in the order of `Dataset.evaluated`."""
    digits = replace(digits, sample_ids=digits.base_ids[::3])
    task = new_task(digits, sisa_job())
    ids = digits.base_ids[:150:7]
    request = deletions(ids[:5], ids[5:])
    trained = train_fleet(digits, sisa_job())
    result = unlearn_fleet(
        digits, sisa_job(), trained.states, request, constituents=trained.constituents
    )
    evaluated_ids = digits.evaluated_ids(request)
    assert 0 < len(np.intersect1d(evaluated_ids, digits.sample_ids)) < len(evaluated_ids)
    pixels = torch.cat(
        [
            task.data.train_images[torch.from_numpy(evaluated_ids)],
            torch.from_numpy(digits.validation_images),
            torch.from_numpy(digits.test_images),
        ]
    )
    state, _ = final(digits, request)
    logits, votes = answers(task, state, pixels)
    assert result.logits[0, -1] == pytest.approx(logits.numpy(), abs=1e-5)
    assert np.array_equal(result.votes[0, -1], votes)
    assert np.array_equal(result.ids, evaluated_ids)


def test_constituents_are_known_by_their_weights(digits):
    """A method that changes one and leaves its checkpoint's key is not given the earlier predictions."""
    trained, task = final(digits, deletions([]))
    name = "shard001/slice02/model/1.weight"
    changed = trained | {name: 2 * trained[name]}
    predictor = Predictor(task, digits)
    predictor.add(trained)
    digests = list(predictor.constituents())
    predictor.add(changed)
    assert len(set(digests)) == 3
    assert [digest in digests for digest in predictor.constituents()] == [True, False, True]


@pytest.mark.parametrize("aggregation", ["mean_softmax", "vote"])
def test_an_ensemble_with_a_broken_constituent_has_diverged(digits, aggregation):
    """Also where the request is served by other shards: nothing of it may enter a mean."""
    trainer = {"shards": 3, "slices": 1, "aggregation": aggregation}
    fleets = {}
    for diverged in (False, True):
        trained = train_fleet(digits, sisa_job(trainer=trainer)).states
        if diverged:
            trained[0]["shard000/slice00/model/1.weight"][:] = np.nan
        deleted_ids = np.concatenate(slices(digits, trainer)[1])[:4]
        for method in ("original", "sisa"):
            fleet_job = sisa_job(trainer=trainer, method=method)
            request = deletions(deleted_ids)
            fleets[diverged, method] = unlearn_fleet(digits, fleet_job, trained, request)
    for (diverged, _), fleet in fleets.items():
        assert fleet.costs[0][0]["diverged"] is diverged
        assert np.isfinite(fleet.logits).all() != diverged
