"""What oracle matching and datamodel matching do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, with_pixels
from unlearn.algorithms.losses import Distance
from unlearn.algorithms.matching import MatchedPoints, match_outputs
from unlearn.core import seeding
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.state import state_of

NAMES = ("oracle_matching", "dmm")


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    models = ("mlp", "logistic", "air")
    return {model: model_state(digits, model) for model in models}


def model_state(digits, model):
    task = model_task(digits, model)
    return state_of(task.model(task.trainer.train(task, digits.base_ids, 0)))


def model_task(digits, model="mlp"):
    size = {"width": 2, "whiten": True} if model == "air" else {}
    return new_task(digits, job(model, size=size, epochs=8))


def serve(name, digits, trained, step=None, model="mlp", **options):
    task = model_task(digits, model)
    step = step or ninth_step(digits)
    state = served(instance(name, **options), task, trained[model], step)
    task.meter.settle()
    return state, task


def class_ids(digits, label=3):
    return digits.base_ids[digits.train_labels[digits.base_ids] == label]


def logits_of(digits, state, ids, model="mlp"):
    task = model_task(digits, model)
    return task.trainer.predict(task, state, task.data.train_images[ids])


def divergence(logits, other):
    """The mean KL of the distribution of logits from that of others."""
    logs, other_logs = torch.log_softmax(logits, 1), torch.log_softmax(other, 1)
    return float((logs.exp() * (logs - other_logs)).sum(1).mean())


def accuracy(digits, state, ids):
    answers = logits_of(digits, state, ids).argmax(1).numpy()
    return float((answers == digits.train_labels[ids]).mean())


def other_labels(digits, ids):
    labels = digits.train_labels.copy()
    labels[ids] = (labels[ids] + 1) % 10
    return replace(digits, train_labels=labels)


# -- what is matched


def test_an_epoch_has_all_changed_points_and_a_fresh_draw():
    points = MatchedPoints(np.array([3, 5]), np.r_[0:3, 4, 6:40])
    first, second = points.epoch(2.0, seed=1), points.epoch(2.0, seed=2)
    for ids in (first, second):
        assert len(np.unique(ids)) == 6 and {3, 5} <= set(ids)
    assert set(first) != set(second)
    assert len(points.epoch(100.0, seed=1)) == 40
    assert list(points.epoch(0.0, seed=1)) == [3, 5]


@pytest.mark.parametrize("model", ["mlp", "air"])
def test_a_model_that_has_the_outputs_does_not_move(model, digits, trained):
    """Its own logits as targets give a gradient of 0; batch normalisation is frozen."""
    task = model_task(digits, model)
    student = task.model(trained[model])
    teacher = task.model(trained[model]).eval()
    points = MatchedPoints(ninth_ids(digits), digits.base_ids)
    match_outputs(instance("dmm"), task, student, points, torch.no_grad()(teacher), 0)
    assert task.meter.optimizer_steps > 0
    assert checksum(state_of(student)) == checksum(trained[model])


@pytest.mark.parametrize("match", ["kl", "logits"])
def test_the_first_step_is_adams_along_the_gradient_of_the_distance(match, digits, trained):
    """lr g / (|g| + 1e-8), one minibatch of the changed points."""
    task = model_task(digits)
    ids = ninth_ids(digits)
    target = torch.randn(len(ids), 10, generator=torch.Generator().manual_seed(0))
    student = task.model(trained["mlp"])
    model = task.bare_model(trained["mlp"])
    pairs = zip(task.data.images(ids), target, strict=True)
    by_image = {image.sum().item(): row for image, row in pairs}

    def target_logits(images):
        return torch.stack([by_image[image.sum().item()] for image in images])

    method = instance("dmm", match=match, epochs=1, draw=0, lr=0.01, batch_size=200)
    match_outputs(method, task, student, MatchedPoints(ids, digits.base_ids), target_logits, 0)
    logits = model(task.data.images(ids))
    if match == "kl":
        logs = torch.log_softmax(target, 1)
        loss = (logs.exp() * (logs - torch.log_softmax(logits, 1))).sum(1).mean()
    else:
        centred = target - target.mean(1, keepdim=True)
        loss = 0.5 * ((logits - logits.mean(1, keepdim=True)) - centred).square().mean()
    loss.backward()
    for (name, parameter), before in zip(model.named_parameters(), model.parameters(), strict=True):
        step = 0.01 * parameter.grad / (parameter.grad.abs() + 1e-8)
        expected = (before - step).detach().numpy()
        moved = parameter.grad.abs() > 1e-5
        assert student.state_dict()[name].numpy()[moved] == pytest.approx(expected[moved], abs=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_is_forgotten_and_the_others_are_kept(name, digits, trained):
    ids = class_ids(digits)
    settings = {"epochs": 15, "lr": 0.003}
    state, _ = serve(name, digits, trained, request(digits, ids), **settings)
    assert accuracy(digits, trained["mlp"], ids) > 0.8
    assert accuracy(digits, state, ids) < 0.4
    assert accuracy(digits, state, np.setdiff1d(digits.base_ids, ids)) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_swapped_labels_are_forgotten(name, digits):
    """The loss of wrong labels rises, and retained points stay right."""
    ids = ninth_ids(digits)
    swapped = other_labels(digits, ids)
    task = new_task(swapped, job(epochs=20))
    original = state_of(task.model(task.trainer.train(task, digits.base_ids, 0)))
    state = served(instance(name, lr=0.003, epochs=5), task, original, request(digits, ids))
    labels = torch.from_numpy(swapped.train_labels[ids])

    def forget_loss(state):
        logits = logits_of(digits, state, ids)
        return float(torch.nn.functional.cross_entropy(logits, labels))

    assert forget_loss(state) > 1.5 * forget_loss(original)
    assert accuracy(digits, state, np.setdiff1d(digits.base_ids, ids)) > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changes_where_no_point_does(name, digits, trained):
    state, task = serve(name, digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained["mlp"])
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("draw", [0.0, 1.5, 100.0])
def test_the_draw_is_charged(name, draw, digits, trained):
    method = instance(name, draw=draw)
    ids = ninth_ids(digits)
    retained = len(digits.base_ids) - len(ids)
    _, task = serve(name, digits, trained, draw=draw)
    expected = method.gradient_evaluations(retained, len(ids), task.recipe)
    assert task.meter.gradient_evaluations == expected
    matched = len(ids) + min(retained, round(draw * len(ids)))
    assert task.meter.forward_evaluations == method.epochs * matched * (2 if name != "dmm" else 3)


def test_every_epoch_draws_anew(digits, trained):
    _, task = serve("dmm", digits, trained, draw=1.0, epochs=3)
    assert np.count_nonzero(task.data.fed) > 2 * len(ninth_ids(digits))


# -- oracle matching


def oracle_logits(digits, retain_ids, oracles):
    task = model_task(digits)
    seeds = [seeding.derive(0, "oracle matching", number) for number in range(oracles)]
    states = [task.trainer.retrain(task, retain_ids, seed) for seed in seeds]
    return lambda ids: torch.stack([logits_of(digits, s, ids) for s in states]).mean(0)


@pytest.mark.parametrize("match", ["kl", "logits"])
def test_it_comes_closer_to_the_oracles_by_half_or_more(match, digits, trained):
    ids = class_ids(digits)
    target = oracle_logits(digits, np.setdiff1d(digits.base_ids, ids), 2)(ids)
    settings = {"match": match, "epochs": 20, "lr": 0.003}
    state, _ = serve("oracle_matching", digits, trained, request(digits, ids), **settings)
    before = divergence(target, logits_of(digits, trained["mlp"], ids))
    assert divergence(target, logits_of(digits, state, ids)) < 0.5 * before
    logits = logits_of(digits, state, ids)
    assert divergence(target, logits) < 0.5 * divergence(2 * target, logits)  # a mean, no sum


def test_it_costs_more_than_retraining(digits, trained):
    _, oracle_task = serve("retrain", digits, trained)
    _, task = serve("oracle_matching", digits, trained, oracles=1)
    assert task.meter.gradient_evaluations > oracle_task.meter.gradient_evaluations
    assert task.meter.flops > oracle_task.meter.flops


def test_oracles_know_nothing_of_the_labels_of_deleted_points(digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve("oracle_matching", digits, trained)
    other, _ = serve("oracle_matching", other_labels(digits, ids), trained)
    assert checksum(state) == checksum(other)
    other, _ = serve("oracle_matching", with_pixels(digits, ids, 77), trained)
    assert checksum(state) != checksum(other)


def test_oracles_are_not_the_paired_one(digits, trained):
    """A target of the paired oracle would favour the control in every table."""
    ids = ninth_ids(digits)
    first, _ = serve("oracle_matching", digits, trained, oracles=1)
    second, _ = serve("oracle_matching", digits, trained, oracles=2)
    assert checksum(first) != checksum(second)
    task = model_task(digits)
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    paired = logits_of(digits, task.trainer.retrain(task, retain_ids, 0), ids)
    assert divergence(paired, oracle_logits(digits, retain_ids, 1)(ids)) > 1e-3


def test_a_later_step_matches_all_points_that_changed(digits, trained):
    ids = ninth_ids(digits)
    addition = digits.held_out_ids[:5]
    stream = Request([ids[:8], ids[8:]], [addition, NO_IDS])
    _, second = stream.steps(200, digits.base_ids)
    for changed in (ids[:8], ids[8:], addition):
        state, task = serve("oracle_matching", digits, trained, second, draw=0, epochs=1)
        altered = with_pixels(digits, changed, 77)
        other, _ = serve("oracle_matching", altered, trained, second, draw=0, epochs=1)
        assert checksum(state) != checksum(other)
    matched = task.meter.gradient_evaluations - 2 * 8 * len(second.retain_ids)
    assert matched == len(ids) + len(addition)


# -- datamodel matching


def test_a_datamodel_of_a_later_step_is_of_its_deletions(digits, trained):
    ids = ninth_ids(digits)
    _, second = deletions(ids[:8], ids[8:]).steps(200, digits.base_ids)
    state, _ = serve("dmm", digits, trained, second)
    other, _ = serve("dmm", with_pixels(digits, ids[:8], 77), trained, second)
    assert checksum(state) == checksum(other)


def test_a_larger_damping_changes_less(digits, trained):
    def change(damping):
        state, _ = serve("dmm", digits, trained, damping=damping)
        before = logits_of(digits, trained["mlp"], ninth_ids(digits))
        return divergence(before, logits_of(digits, state, ninth_ids(digits)))

    assert change(0.1) > change(1.0) > 3 * change(100.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dmm", {"width": 0}, "width: 0 is not allowed; allowed: integer between 1 and 16,384"),
        ("dmm", {"damping": 0}, "damping: 0 is not allowed; allowed: number"),
        ("oracle_matching", {"oracles": 0}, "oracles: 0 is not allowed; allowed: integer"),
        ("oracle_matching", {"match": "mse"}, "match: 'mse' is not allowed; allowed: string kl"),
    ],
)
def test_parameters_outside_their_range_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        instance(name, **options)


def test_distances_of_both_kinds_are_least_at_the_target():
    logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(1))
    for match in ("kl", "logits"):
        distance = Distance(match, 1.0)
        assert float(distance(logits, distance.target(logits))) == pytest.approx(0, abs=1e-6)
