"""Selective synaptic dampening: which weights shrink, and by how much."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.conformance import Subject, checksum, instance, ninth_ids, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, with_pixels
from unlearn.algorithms import charged_gradients
from unlearn.algorithms.importance import dampen
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS

METHODS = ("ssd", "lfssd")
BOTH = pytest.mark.parametrize("name", METHODS)
MILD = {"ssd": {"alpha": 3.0}, "lfssd": {"alpha": 1.5}}
"""Parameters at which some weights of the small model shrink and others do not."""


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("ssd"), digits).trained()


def serve(name, digits, trained, step=None, **options):
    subject = Subject(instance(name, **MILD[name] | options), digits, name)
    return subject.serve(trained, step=step)


def class_ids(digits, label=3):
    return digits.base_ids[digits.train_labels[digits.base_ids] == label]


def importances(name, digits, trained, ids):
    """By the gradients of single points, one after the other."""
    task = new_task(digits, job())
    model = task.bare_model(trained).eval()
    total = {weight: torch.zeros_like(p).double() for weight, p in model.named_parameters()}
    for point in ids:
        logits = model(task.data.images(np.array([point])))
        label = task.data.labels(np.array([point]))
        loss = nn.functional.cross_entropy(logits, label)
        value = loss if name == "ssd" else logits.square().sum()
        gradients = torch.autograd.grad(value, list(model.parameters()))
        for weight, gradient in zip(total, gradients, strict=True):
            size = gradient.double().square() if name == "ssd" else gradient.double().abs()
            total[weight] += size / len(ids)
    return total


@BOTH
def test_weights_shrink_by_the_ratio_of_their_importances(name, digits, trained):
    """w min(lambda I / I_f, 1) where I_f > alpha I, with I over all points, deleted ones as well."""
    ids = class_ids(digits)
    options = MILD[name] | {"dampening": 1.4}
    state, _ = serve(name, digits, trained, request(digits, ids), **options)
    overall = importances(name, digits, trained, digits.base_ids)
    forget = importances(name, digits, trained, ids)
    shares = []
    for weight, before in trained.items():
        ratio = overall[weight] / forget[weight]
        chosen = forget[weight] > options["alpha"] * overall[weight]
        factor = torch.where(chosen, (1.4 * ratio).clamp(max=1), 1).cpu().numpy()
        shares.append(float(chosen.double().mean()))
        assert state[weight] == pytest.approx(before * factor, rel=1e-3, abs=1e-7), weight
    assert max(shares) > 0.01 and np.mean(shares) < 0.9


def test_two_weights_by_hand():
    """I = (1, 1), I_f = (20, 5), alpha 10, lambda 1: factors 1/20 and 1."""
    layer = nn.Linear(2, 1, bias=False)
    nn.init.ones_(layer.weight)
    overall = {"weight": torch.tensor([[1.0, 1.0]]).double()}
    forget = {"weight": torch.tensor([[20.0, 5.0]]).double()}
    dampen(layer, overall, forget, 10.0, 1.0)
    assert layer.weight.tolist() == [[pytest.approx(0.05), 1.0]]


@BOTH
def test_no_weight_grows(name, digits, trained):
    state, _ = serve(name, digits, trained, alpha=1.0, dampening=100.0)
    assert all((abs(state[weight]) <= abs(trained[weight])).all() for weight in trained)


@BOTH
@pytest.mark.parametrize("alpha", [1.0, 5.0])
def test_deleting_all_points_changes_nothing(name, alpha, digits, trained):
    """No weight matters more to all points than to all points."""
    step = request(digits, digits.base_ids)
    state, _ = serve(name, digits, trained, step, alpha=alpha)
    assert checksum(state) == checksum(trained)


@BOTH
def test_an_endless_alpha_is_the_original(name, digits, trained):
    state, _ = serve(name, digits, trained, alpha=1e30)
    assert checksum(state) == checksum(trained)


@BOTH
def test_how_many_points_are_held_at_a_time_does_not_matter(name, digits, trained, monkeypatch):
    state, _ = serve(name, digits, trained)
    monkeypatch.setattr(charged_gradients, "MAX_CHUNK_POINTS", 7)
    other, _ = serve(name, digits, trained)
    for weight in trained:
        assert state[weight] == pytest.approx(other[weight], rel=1e-4, abs=1e-7)


@BOTH
def test_labels_matter_to_ssd_alone(name, digits, trained):
    labels = (digits.train_labels + 1) % 10
    state, _ = serve(name, digits, trained)
    other, _ = serve(name, replace(digits, train_labels=labels), trained)
    assert (checksum(state) == checksum(other)) is (name == "lfssd")


@BOTH
def test_it_reads_the_deleted_points(name, digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(name, digits, trained)
    other, _ = serve(name, with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert checksum(state) != checksum(other)


@BOTH
def test_nothing_to_delete_changes_nothing_and_costs_nothing(name, digits, trained):
    state, task = serve(name, digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == task.meter.flops == 0


@BOTH
def test_a_class_is_forgotten_and_the_others_are_kept(name, digits, trained):
    ids = class_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    state, task = serve(name, digits, trained, request(digits, ids))

    def accuracy(tensors, points):
        logits = task.trainer.predict(task, tensors, task.data.train_images[points])
        return float((logits.argmax(1).numpy() == digits.train_labels[points]).mean())

    assert accuracy(trained, ids) > 0.9 and accuracy(state, ids) < 0.5
    assert accuracy(state, retained) > 0.7


@BOTH
def test_a_later_step_looks_at_the_points_that_are_left(name, digits, trained):
    """Those that an earlier step has deleted have no part in the importances."""
    earlier = digits.base_ids[:40]
    stream = deletions(earlier, digits.base_ids[40:60])
    later = list(stream.steps(len(digits.train_labels), digits.base_ids))[1]
    method = instance(name, **MILD[name])
    assert method.continues
    states = [
        served(method, new_task(dataset, job()), trained, later)
        for dataset in (digits, with_pixels(digits, earlier, 77))
    ]
    assert checksum(states[0]) == checksum(states[1])
    assert checksum(states[0]) != checksum(trained)


@BOTH
def test_batch_normalisation_is_frozen_and_its_weights_count(name, digits):
    subject = Subject(instance(name, alpha=1.1), digits, name, "resnet9")
    before = subject.trained()
    state, _ = subject.serve(before, step=request(digits, class_ids(digits)))
    moved = {key for key in before if not np.array_equal(before[key], state[key])}
    assert not any("running" in key or "tracked" in key for key in moved)
    assert any(before[key].ndim == 1 for key in moved)


@BOTH
def test_bad_parameters_are_refused(name):
    with pytest.raises(ValueError, match="alpha: -1 is not allowed; allowed: number between 0 and"):
        instance(name, alpha=-1)
    with pytest.raises(
        ValueError,
        match=r"dampening: 0.* is not allowed; allowed: number between 0 and .*, 0 excluded",
    ):
        instance(name, dampening=0)
