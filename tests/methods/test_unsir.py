"""UNSIR: impair a class by noise, repair on a sample of what is left."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, arrays, checksum, ninth_ids, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, served_steps, with_pixels
from unlearn.algorithms.impairing_noise import LabelledNoise, NoiseSearch
from unlearn.algorithms.samples import class_sample
from unlearn.core import registry, seeding
from unlearn.core.setting import Setting
from unlearn.jobs.setup import new_task
from unlearn.methods.unsir import Unsir


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(Unsir(), digits).trained()


def class_ids(digits, *labels):
    return digits.base_ids[np.isin(digits.train_labels[digits.base_ids], labels)]


def accuracy(task, state, ids):
    logits = task.trainer.predict(task, state, task.data.train_images[ids])
    return float((logits.argmax(1) == task.data.train_labels[ids]).float().mean())


def test_noise_raises_the_loss_of_its_class(digits, trained):
    task = new_task(digits, job())
    model = task.model(trained)
    search = NoiseSearch(points=20, steps=40, lr=0.1, penalty=0.1)
    labels = torch.full((20,), 3)
    losses = []
    for tried_search in (NoiseSearch(points=20, steps=0, lr=0.1, penalty=0.1), search):
        noise = tried_search.noise(task, model, 3, 0)
        losses.append(float(functional.cross_entropy(model(noise), labels).detach()))
    assert losses[1] > losses[0] + 1


def test_a_step_of_the_search_ascends_on_the_loss_less_the_penalty(digits, trained):
    """The first step of Adam is the rate times the gradient over its size."""
    task = new_task(digits, job())
    model = task.model(trained)
    start = NoiseSearch(4, 0, 0.5, 0.02).noise(task, model, 3, 0).requires_grad_(True)
    assert abs(float(start.detach().mean())) < 0.3 and 0.8 < float(start.detach().std()) < 1.2
    ascent = functional.cross_entropy(model(start), torch.full((4,), 3))
    penalty = 0.02 * start.square().sum((1, 2, 3)).mean()
    (gradient,) = torch.autograd.grad(ascent - penalty, start)
    expected = start + 0.5 * gradient / (gradient.abs() + 1e-8)
    noise = NoiseSearch(4, 1, 0.5, 0.02).noise(task, model, 3, 0)
    assert torch.allclose(noise, expected, rtol=1e-5, atol=1e-6)
    other = NoiseSearch(4, 0, 0.5, 0.02).noise(task, model, 4, 0)
    assert not torch.equal(other, start)


def test_a_mixture_has_every_point_once_and_every_noise_as_often_as_asked(digits):
    task = new_task(digits, job())
    ids = digits.base_ids[:50]
    images = torch.full((6, 1, 8, 8), 99.0) + torch.arange(6)[:, None, None, None]
    noise = LabelledNoise(images, torch.tensor([3, 3, 3, 5, 5, 5]))
    batches = list(noise.mixed_minibatches(task, ids, 4, 16, 0))
    assert len(batches) == 5  # 50 points and 24 copies
    assert all(12 <= len(labels) <= 16 for _, labels in batches)
    mixed = torch.cat([images for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    is_noise = mixed[:, 0, 0, 0] >= 99
    rows = (mixed[is_noise][:, 0, 0, 0] - 99).long()
    assert torch.equal(torch.bincount(rows), torch.full((6,), 4))
    assert torch.equal(labels[is_noise], noise.labels[rows])
    expected = torch.bincount(task.data.labels(ids), minlength=10)
    assert torch.equal(torch.bincount(labels[~is_noise], minlength=10), expected)


def test_a_sample_has_so_many_points_of_every_class(digits):
    labels = digits.train_labels[digits.base_ids]
    sample = class_sample(digits.base_ids, labels, 7, 0)
    assert np.array_equal(sample, np.unique(sample))
    assert np.bincount(digits.train_labels[sample]).tolist() == [7] * 10
    assert not np.array_equal(sample, class_sample(digits.base_ids, labels, 7, 1))
    assert np.array_equal(class_sample(digits.base_ids, labels, 1000, 0), digits.base_ids)
    assert len(class_sample(digits.base_ids[:0], labels[:0], 7, 0)) == 0


def descend(model, minibatches, lr):
    """Steps of torch's Adam on the cross-entropy, without decay of weights."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for images, labels in minibatches:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()


def test_impair_and_repair_are_steps_of_two_adams(digits, trained):
    """Impair: noise as the deleted class, and the sample. Repair: the sample alone."""
    task = new_task(digits, job(weight_decay=0.5))
    rates = {"impair_lr": 0.02, "repair_lr": 0.01}
    method = Unsir(batch_size=16, samples=5, noise_batches=3, noise_steps=2, **rates)
    step = request(digits, class_ids(digits, 3))
    state = served(method, task, trained, step)
    model = task.model(trained)
    order = seeding.derive(0, "unsir")
    sample = class_sample(step.retain_ids, digits.train_labels[step.retain_ids], 5, order)
    noise = NoiseSearch(16, 2, 0.1, 0.1).labelled_noise(task, model, [3], order)
    assert torch.equal(noise.labels, torch.full((16,), 3))
    descend(model, noise.mixed_minibatches(task, sample, 3, 16, order), 0.02)
    batches = task.minibatches(sample, order, 1, batch_size=16)
    descend(model, [(batch.images, batch.labels) for batch in batches], 0.01)
    for name, parameter in model.named_parameters():
        expected = parameter.detach().numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def test_no_image_of_a_deleted_point_is_looked_at(digits, trained):
    ids = class_ids(digits, 3)
    states = []
    for data in (digits, with_pixels(digits, ids, 77)):
        task = new_task(data, job())
        task.data.fed[:] = False
        states.append(arrays(served(Unsir(), task, trained, request(data, ids))))
        assert not task.data.fed[ids].any()
        assert task.data.fed[np.setdiff1d(digits.base_ids, ids)].all()
    assert checksum(states[0]) == checksum(states[1])


@pytest.mark.parametrize("labels", [(3,), (3, 5)])
def test_classes_are_forgotten_and_others_are_kept(labels, digits, trained):
    ids = class_ids(digits, *labels)
    step = request(digits, ids)
    task = new_task(digits, job())
    state = served(Unsir(batch_size=8), task, trained, step)
    for label in labels:
        assert accuracy(task, trained, class_ids(digits, label)) > 0.8
        assert accuracy(task, state, class_ids(digits, label)) < 0.3
    assert accuracy(task, state, step.retain_ids) > 0.85


def test_costs_are_noise_mixture_and_sample(digits, trained):
    """In every step of a stream, for the classes of the step."""
    method = Unsir(noise_steps=7, batch_size=16, noise_batches=3, samples=9)
    stream = deletions(class_ids(digits, 3), class_ids(digits, 5, 6))
    _, meters = served_steps(method, new_task(digits, job()), trained, stream)
    for meter, classes, kept in zip(meters, (1, 2), (9, 7), strict=True):
        sample = 9 * kept
        expected = 16 * classes * (7 + 3) + 2 * sample
        assert meter.gradient_evaluations == expected


def test_deletions_of_nothing_change_nothing(digits, trained):
    task = new_task(digits, job())
    state = served(Unsir(), task, trained, request(digits, digits.base_ids[:0]))
    assert checksum(arrays(state)) == checksum(trained)


def test_parts_of_classes_are_refused_before_any_work(digits, trained):
    ids = class_ids(digits, 3)[:4]
    kept = len(class_ids(digits, 3)) - 4
    task = new_task(digits, job())
    message = f"deletes 4 points of class 3 and keeps {kept}; allowed: whole classes"
    with pytest.raises(ValueError, match=message):
        served(Unsir(), task, trained, request(digits, ids))
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0
    state = served(Unsir(requests="any"), task, trained, request(digits, ninth_ids(digits)))
    assert checksum(arrays(state)) != checksum(trained)


@pytest.mark.parametrize(
    ("sampler", "options", "is_supported"),
    [
        ("by_class", {"label": 3}, True),
        ("ids", {"ids": [1, 2]}, True),
        ("by_class", {"label": 3, "fraction": 0.5}, False),
        ("by_class", {"label": 3, "steps": 2}, False),
        ("random", {"rate": 0.1}, False),
    ],
)
def test_a_plan_knows_the_requests_that_are_served(sampler, options, is_supported):
    setting = Setting(request=registry.find("requests", sampler)(**options))
    reason = Unsir().supports(setting)
    assert (reason is None) is is_supported
    assert is_supported or "allowed: by_class with fraction: 1" in reason
    assert Unsir(requests="any").supports(setting) is None
