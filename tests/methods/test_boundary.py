"""Boundary unlearning: the labels next to a boundary, and the class that is dropped again."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.support.conformance import Subject, checksum, instance, ninth_ids, request
from tests.support.jobs import job
from tests.support.streams import served, with_pixels
from unlearn.algorithms.decision_boundary import (
    adversarial_images,
    narrow_head,
    neighbour_labels,
    widen_head,
)
from unlearn.core import registry, seeding
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS

METHODS = ("boundary_shrink", "boundary_expand")
BOTH = pytest.mark.parametrize("name", METHODS)
PLAIN = {"momentum": 0.0, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("boundary_shrink"), digits).trained()


def serve(name, digits, trained, step=None, **options):
    return Subject(instance(name, **options), digits, name).serve(trained, step=step)


def moved_by(name, before, state):
    return np.asarray(state[name]) - before[name]


def test_labels_of_a_linear_model_are_those_of_its_neighbours(digits):
    """Each pixel moves by the bound, along the sign of sum_c (p_c - y_c) w_c, within its range."""
    task = new_task(digits, job("logistic"))
    model = task.bare_model(task.trainer.train(task, digits.base_ids, 0)).eval()
    ids = digits.base_ids[:40]
    data = task.data
    raw = data.train_images[ids].double().permute(0, 3, 1, 2) / data.levels
    mean, std = data.mean[0], data.std[0]
    layer = model[-1]
    weight, bias = layer.weight.detach().double(), layer.bias.detach().double()

    def logits(pixels):
        return ((pixels - mean) / std).flatten(1) @ weight.t() + bias

    errors = functional.softmax(logits(raw), 1) - functional.one_hot(data.labels(ids), 10)
    moved = (raw + 0.02 * (errors @ weight).sign().view_as(raw)).clamp(0, 1)
    expected = logits(moved).argmax(1)
    assert torch.equal(neighbour_labels(task, model, ids, 0.02), expected)
    assert 0.1 < float((expected != data.labels(ids)).double().mean()) < 0.9
    images = adversarial_images(model, data.images(ids), data.labels(ids), data, 0.02)
    assert torch.allclose(images.double() * std + mean, moved, atol=1e-5)


def test_one_step_of_shrinking_is_the_gradient_at_the_new_labels(digits, trained):
    ids = ninth_ids(digits)
    task = new_task(digits, job(**PLAIN))
    model = task.bare_model(trained).eval()
    labels = neighbour_labels(task, model, ids, 0.2)
    functional.cross_entropy(model(task.data.images(ids)), labels).backward()
    method = instance("boundary_shrink", epochs=1, lr=0.5, batch_size=1000, bound=0.2)
    state = served(method, task, trained, request(digits, ids))
    for name, parameter in model.named_parameters():
        expected = -0.5 * parameter.grad.cpu().numpy()
        assert moved_by(name, trained, state) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_one_step_of_expanding_is_the_gradient_at_the_new_class(digits, trained):
    """The new row is a part of the loss, and of no result."""
    ids = ninth_ids(digits)
    task = new_task(digits, job(**PLAIN))
    model = task.bare_model(trained).eval()
    head = widen_head(model, 10, seeding.derive(0, "new class"))
    labels = torch.full((len(ids),), 10)
    functional.cross_entropy(model(task.data.images(ids)), labels).backward()
    method = instance("boundary_expand", epochs=1, lr=0.5, batch_size=1000)
    state = served(method, task, trained, request(digits, ids))
    for name, parameter in model.named_parameters():
        gradient = parameter.grad[:10] if name.startswith(head) else parameter.grad
        expected = -0.5 * gradient.cpu().numpy()
        assert moved_by(name, trained, state) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("model", ["mlp", "resnet9", "air"])
def test_a_head_is_widened_by_one_row_and_narrowed_again(model):
    network = registry.find("models", model)().build((8, 8, 1), 10).eval()
    images = torch.randn(5, 1, 8, 8)
    before = network(images)
    states = []
    for seed in (0, 0, 1):
        name = widen_head(network, 10, seed)
        assert network(images).shape == (5, 11)
        assert torch.allclose(network(images)[:, :10], before, atol=1e-6)
        states.append(network.get_submodule(name).weight[10].detach())
        narrow_head(network, name, 10)
        assert torch.allclose(network(images), before, atol=1e-6)
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])
    with pytest.raises(ValueError, match="does not end in a linear layer with a row for each"):
        widen_head(nn.Sequential(nn.Linear(3, 10), nn.ReLU()), 10, 0)
    with pytest.raises(ValueError, match="does not end in a linear layer with a row for each"):
        widen_head(nn.Linear(3, 12), 10, 0)


def test_the_share_of_points_that_stay_is_counted(digits, trained):
    """All of them where pixels hardly move, fewer where they move far."""
    shares = []
    for bound in (1e-6, 0.05, 0.5):
        _, task = serve("boundary_shrink", digits, trained, bound=bound)
        shares.append(task.meter.counts["unflipped_fraction"])
    assert shares[0] > 0.9 > shares[2]
    assert shares[0] >= shares[1] >= shares[2]


@BOTH
def test_the_deleted_points_are_forgotten(name, digits, trained):
    ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    options = {"lr": 0.01, "epochs": 5} | ({"bound": 0.3} if name == "boundary_shrink" else {})
    state, task = serve(name, digits, trained, request(digits, ids), **options)
    labels = task.data.train_labels[ids].cpu()

    def loss(tensors):
        logits = task.trainer.predict(task, tensors, task.data.train_images[ids])
        return float(functional.cross_entropy(logits, labels))

    assert loss(state) > loss(trained) + 0.2
    assert {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in trained.items()
    }


@BOTH
def test_only_the_deleted_points_are_read(name, digits, trained):
    ids = ninth_ids(digits)
    step = request(digits, ids)
    state, _ = serve(name, digits, trained)
    blank = with_pixels(digits, np.setdiff1d(digits.base_ids, ids), 77)
    assert checksum(state) == checksum(serve(name, blank, trained, step)[0])
    assert checksum(state) != checksum(serve(name, with_pixels(digits, ids, 77), trained, step)[0])


@BOTH
def test_the_labels_of_the_data_set_stay(name, digits, trained):
    before = digits.train_labels.copy()
    _, task = serve(name, digits, trained)
    assert np.array_equal(digits.train_labels, before)
    assert np.array_equal(task.data.train_labels.cpu().numpy(), before)


@BOTH
def test_costs_are_those_of_the_deleted_points(name, digits, trained):
    _, task = serve(name, digits, trained, epochs=4)
    deleted = len(ninth_ids(digits))
    passes = {"boundary_shrink": 5, "boundary_expand": 4}[name]
    assert task.meter.gradient_evaluations == passes * deleted
    assert task.meter.forward_evaluations == (deleted if name == "boundary_shrink" else 0)
    state, task = serve(name, digits, trained, request(digits, NO_IDS))
    assert task.meter.gradient_evaluations == 0 and checksum(state) == checksum(trained)


@BOTH
def test_batch_normalisation_is_frozen(name, digits):
    subject = Subject(instance(name), digits, name, "resnet9")
    before = subject.trained()
    state, _ = subject.serve(before)
    moved = {key for key in before if not np.array_equal(before[key], state[key])}
    assert moved and not any("running" in key or "tracked" in key for key in moved)
