"""What single baselines do, in closed form."""

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, with_pixels
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS
from unlearn.training.data import normalised


def serve(name, digits, trained, step):
    """The state of a method at its usual parameters after a step, and the task."""
    return Subject(instance(name), digits, name).serve(trained, step=step)


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("finetune"), digits).trained()


def test_one_step_of_finetuning_is_the_analytic_step(digits, trained):
    """w - lr (gradient on the retain set + decay w), one minibatch, no momentum."""
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    plain = {"batch_size": 200, "momentum": 0.0, "weight_decay": 0.01}
    task = new_task(digits, job(**plain))
    method = instance("finetune", epochs=1, lr=0.3, schedule="constant")
    state = served(method, task, trained, request(digits, ids))
    model = task.model(trained)
    images = normalised(task.data.train_images[retained], task.data)
    torch.nn.functional.cross_entropy(model(images), task.data.train_labels[retained]).backward()
    for name, parameter in model.named_parameters():
        step = parameter.grad.cpu().numpy() + 0.01 * trained[name]
        assert np.asarray(state[name]) == pytest.approx(trained[name] - 0.3 * step, abs=1e-6)


def test_work_is_charged_to_the_sample(digits, trained):
    ids = ninth_ids(digits)
    retained = len(digits.base_ids) - len(ids)
    expected = {"original": 0, "retrain": 8 * retained, "finetune": 2 * retained}
    expected["gradient_ascent"] = 5 * len(ids)
    for name, count in expected.items():
        _, task = serve(name, digits, trained, request(digits, ids))
        assert task.meter.gradient_evaluations == count, name
        assert (task.meter.flops > 0) is (count > 0)


def test_original_is_the_trained_model(digits, trained):
    state, task = serve("original", digits, trained, ninth_step(digits))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == 0


def test_retrain_of_nothing_is_the_original_to_the_bit(digits, trained):
    state, _ = serve("retrain", digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)


def test_retrain_does_not_depend_on_the_trained_model(digits, trained):
    step = ninth_step(digits)
    state, _ = serve("retrain", digits, trained, step)
    zeros = {name: np.zeros_like(value) for name, value in trained.items()}
    second, _ = serve("retrain", digits, zeros, step)
    assert checksum(state) == checksum(second)


@pytest.mark.parametrize(
    ("name", "blind"), [("retrain", True), ("finetune", True), ("gradient_ascent", False)]
)
def test_who_reads_the_forget_set(name, blind, digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(name, digits, trained, request(digits, ids))
    other, _ = serve(name, with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert (checksum(state) == checksum(other)) is blind


def test_gradient_ascent_does_not_read_the_retain_set(digits, trained):
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    state, _ = serve("gradient_ascent", digits, trained, request(digits, ids))
    changed = with_pixels(digits, retained, 77)
    other, _ = serve("gradient_ascent", changed, trained, request(digits, ids))
    assert checksum(state) == checksum(other)


def test_gradient_ascent_raises_the_loss_of_the_forget_set(digits, trained):
    ids = ninth_ids(digits)
    step = request(digits, ids)
    task = new_task(digits, job())
    labels = task.data.train_labels[ids].cpu()

    def loss(state):
        logits = task.trainer.predict(task, state, task.data.train_images[ids])
        return float(torch.nn.functional.cross_entropy(logits, labels))

    values = [loss(trained)]
    for epochs in (1, 4):
        method = instance("gradient_ascent", epochs=epochs, lr=0.02, batch_size=8)
        values.append(loss(served(method, task, trained, step)))
    assert values[0] < values[1] < values[2]


def test_one_step_of_gradient_ascent_is_the_gradient(digits, trained):
    ids = ninth_ids(digits)
    task = new_task(digits, job())
    model = task.model(trained)
    images = normalised(task.data.train_images[ids], task.data)
    torch.nn.functional.cross_entropy(model(images), task.data.train_labels[ids]).backward()
    method = instance("gradient_ascent", epochs=1, lr=0.5, batch_size=1000)
    state = served(method, task, trained, request(digits, ids))
    for name, parameter in model.named_parameters():
        expected = trained[name] + 0.5 * parameter.grad.cpu().numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, abs=1e-6)


def test_frozen_batch_statistics(digits):
    described = job("resnet9", epochs=1, method="gradient_ascent", size={"width": 2})
    base = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, base.states, deletions(digits.base_ids[:20]))
    moved = {
        n: not np.array_equal(result.states[0][n][0], base.states[0][n]) for n in base.states[0]
    }
    assert not any(m for n, m in moved.items() if "running" in n or "tracked" in n)
    assert any(m for n, m in moved.items() if "weight" in n)
