"""Amnesiac unlearning: the log of a training, and what is subtracted."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import arrays, checksum, ninth_ids, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, served_steps
from unlearn.algorithms import update_log
from unlearn.algorithms.batch_statistics import estimate_again
from unlearn.core import registry, seeding
from unlearn.core.setting import DataFacts, Setting
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.methods.amnesiac import Amnesiac
from unlearn.methods.finetune import Finetune
from unlearn.models.layers import batch_normalisations
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.trainers.amnesiac import AmnesiacTrainer
from unlearn.trainers.standard import StandardTrainer
from unlearn.training.data import normalised
from unlearn.training.recipe import Recipe

STILL = 1e-30
"""A learning rate that moves no float32 weight."""

WIDTHS = {"resnet9": {"width": 2}, "air": {"width": 2, "whiten": True}}


def task_of(digits, model="mlp", **recipe):
    return new_task(
        digits, job(model, trainer={"kind": "amnesiac"}, size=WIDTHS.get(model), **recipe)
    )


def logged(digits, **keywords):
    """A task, and a state with its log as numpy arrays."""
    task = task_of(digits, **keywords)
    return task, arrays(task.trainer.train(task, digits.base_ids, 0))


def vector(model):
    return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad]).numpy()


def subtracted(task, state, steps):
    model = task.model(state)
    update_log.subtract(model, state, np.asarray(steps))
    return vector(model)


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ("mlp", {}),
        ("mlp", {"mixup": 0.4}),
        ("cnn1", {"precision": "bfloat16", "flip": True, "label_smoothing": 0.1}),
        ("resnet9", {"batch_size": 53}),
        ("air", {"nesterov": True}),
    ],
)
def test_the_model_is_that_of_the_standard_trainer(model, recipe, digits):
    """To the bit, and its training is charged alike."""
    task, state = logged(digits, model=model, **recipe)
    other_task = task_of(digits, model, **recipe)
    other = StandardTrainer().train(other_task, digits.base_ids, 0)
    assert set(state) - set(other) == {"log/weights", "log/steps"}
    for name in other:
        assert np.array_equal(state[name], np.asarray(other[name])), name
    for count in ("gradient_evaluations", "optimizer_steps", "flops", "forward_evaluations"):
        assert getattr(task.meter, count) == getattr(other_task.meter, count)
    start = task.new_model(seeding.derive(0, "initial weights"), digits.base_ids)
    assert np.array_equal(state["log/weights"][0], vector(start))
    assert np.array_equal(state["log/weights"][-1], vector(task.model(state)))


def test_a_log_on_disk_is_as_good_as_one_in_memory(digits, tmp_path):
    task, state = logged(digits)
    path = tmp_path / "trained.safetensors"
    write_fleet(path, [state], {})
    ids = digits.base_ids[::9]
    results = [
        arrays(Amnesiac().unlearn(task, original, request(digits, ids), 0).tensors)
        for original in (state, Fleet(path)[0])
    ]
    assert all(np.array_equal(results[0][name], results[1][name]) for name in results[0])


@pytest.mark.parametrize("batch_size", [32, 53])
def test_the_log_knows_the_minibatches_of_every_point(batch_size, digits):
    """Orders of all 200 points are cut, and those outside base training left out."""
    _, state = logged(digits, epochs=3, batch_size=batch_size)
    minibatches = []
    for epoch in range(3):
        key = seeding.derive(seeding.derive(0, "training"), "epoch", epoch)
        order = seeding.shuffled(np.arange(200), key)
        minibatches += np.split(order, range(batch_size, 200, batch_size))
    assert len(minibatches) == update_log.step_count(state)
    for point in digits.base_ids[:20]:
        expected = [i for i, ids in enumerate(minibatches) if point in ids]
        assert update_log.touched_steps(state, np.array([point])).tolist() == expected
    assert not len(update_log.touched_steps(state, digits.held_out_ids))


def test_without_every_update_the_initial_weights_are_left(digits):
    for model in ("mlp", "resnet9"):
        task, state = logged(digits, model=model)
        steps = np.arange(update_log.step_count(state))
        start = task.new_model(seeding.derive(0, "initial weights"), digits.base_ids)
        assert np.array_equal(subtracted(task, state, steps), vector(start))
        assert np.array_equal(subtracted(task, state, []), state["log/weights"][-1])


def test_without_the_last_update_the_weights_before_it_are_left(digits):
    task, state = logged(digits, epochs=1)
    last = update_log.step_count(state) - 1
    assert np.array_equal(subtracted(task, state, [last]), state["log/weights"][-2])


def test_the_updates_of_touched_minibatches_are_subtracted(digits):
    task, state = logged(digits, epochs=2)
    log = state["log/weights"].astype(np.float64)
    for steps in ([0], [3, 4, 5, 9], [0, 2, 13]):
        expected = log[-1] - sum(log[step + 1] - log[step] for step in steps)
        result = subtracted(task, state, steps)
        assert result == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_unlearning_is_subtraction_and_fine_tuning(digits):
    """One minibatch an epoch: back to the initial weights, then a step along the gradient there."""
    plain = {"batch_size": 200, "momentum": 0.0, "weight_decay": 0.01}
    task, state = logged(digits, **plain)
    step = request(digits, ninth_ids(digits))
    result = served(Amnesiac(epochs=1, lr=0.3), task, state, step)
    model = task.new_model(seeding.derive(0, "initial weights"))
    images = normalised(task.data.train_images[step.retain_ids], task.data)
    functional.cross_entropy(model(images), task.data.train_labels[step.retain_ids]).backward()
    for name, parameter in model.named_parameters():
        start = parameter.detach()
        expected = start - 0.3 * (parameter.grad + 0.01 * start)
        assert np.asarray(result[name]) == pytest.approx(expected.numpy(), rel=1e-5, abs=1e-7)
    assert task.meter.counts["touched_fraction"] == 1


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
def test_where_nothing_is_deleted_it_is_fine_tuning(model, digits):
    """To the bit."""
    task, state = logged(digits, model=model, nesterov=True, label_smoothing=0.1)
    step = request(digits, digits.base_ids[:0])
    result = served(Amnesiac(epochs=2, lr=0.03), task, state, step)
    other = served(Finetune(epochs=2, lr=0.03), task, state, step)
    for name in other:
        assert np.array_equal(np.asarray(result[name]), np.asarray(other[name])), name
    assert task.meter.counts["touched_fraction"] == 0


def test_only_minibatches_with_deleted_points_are_touched(digits):
    """Those of one point are one an epoch, and the count is a share."""
    task, state = logged(digits, epochs=2)
    step = request(digits, digits.base_ids[:1])
    result = served(Amnesiac(lr=STILL), task, state, step)
    steps = update_log.touched_steps(state, step.deleted_ids)
    assert len(steps) == 2
    assert task.meter.counts["touched_fraction"] == 2 / update_log.step_count(state)
    assert np.array_equal(vector(task.model(result)), subtracted(task, state, steps))


def test_later_steps_serve_all_that_was_deleted(digits):
    """Two steps end where one step with both deletions does."""
    task, state = logged(digits, model="resnet9")
    first, second = digits.base_ids[:2], digits.base_ids[50:52]
    states, _ = served_steps(Amnesiac(), task, state, deletions(first, second))
    (single,), _ = served_steps(Amnesiac(), task, state, deletions(np.append(first, second)))
    before, after, both = (
        {name: tensor for name, tensor in arrays(end).items() if "tracked" not in name}
        for end in (*states, single)
    )
    assert checksum(after) == checksum(both)
    assert checksum(before) != checksum(both)


def test_batch_statistics_are_those_of_the_retain_set(digits):
    """The means over a pass; they do not depend on the statistics before."""
    task, state = logged(digits, model="resnet9")
    step = request(digits, ninth_ids(digits))
    model = task.model(state)
    estimate_again(task, model, step.retain_ids, 5)
    other = task.model({n: t * 3 if "running" in n else t for n, t in state.items()})
    estimate_again(task, other, step.retain_ids, 5)
    layer, other_layer = batch_normalisations(model)[0], batch_normalisations(other)[0]
    assert torch.equal(layer.running_mean, other_layer.running_mean)
    assert layer.momentum == batch_normalisations(task.new_model(0))[0].momentum
    inputs = []
    model.eval()
    handle = layer.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    model(normalised(task.data.train_images[step.retain_ids], task.data))
    handle.remove()
    mean = inputs[0].mean((0, 2, 3))
    assert torch.allclose(layer.running_mean, mean, atol=1e-5)
    result = served(Amnesiac(lr=STILL), task, state, step)
    buffers = [n for n in state if "running_mean" in n]
    assert all(not np.array_equal(np.asarray(result[n]), state[n]) for n in buffers)


def test_a_job_reports_the_share_of_touched_minibatches_and_the_bytes_of_the_log(digits):
    described = job("mlp", method="amnesiac", options={"epochs": 1})
    base = train_fleet(digits, described)
    state = base.states[0]
    log_bytes = sum(np.asarray(state[name]).nbytes for name in ("log/weights", "log/steps"))
    assert base.costs[0]["bytes_stored"] == log_bytes
    result = unlearn_fleet(digits, described, base.states, deletions(digits.base_ids[:1]))
    steps = update_log.step_count(state)
    assert result.costs[0][0]["touched_fraction"] == 2 / steps
    assert result.costs[0][0]["bytes_stored"] == log_bytes
    assert "touched_fraction" in AmnesiacTrainer.metrics


def test_logs_above_the_budget_are_refused_before_training(digits):
    architecture = registry.find("models", "mlp")()
    facts = DataFacts("digits", 10, (8, 8, 1), 200, 40)
    recipe = Recipe(epochs=2, batch_size=32)
    setting = Setting(data=facts, model=architecture, recipe=recipe)
    task, state = logged(digits)
    size = sum(state[name].nbytes for name in ("log/weights", "log/steps")) / 1e9
    assert AmnesiacTrainer(max_log_gb=size * 1.0001).supports(setting) is None
    small = AmnesiacTrainer(max_log_gb=size / 1.001)
    reason = small.supports(setting)
    assert reason.startswith(f"max_log_gb: {small.max_log_gb:g} is too little, the log of a model")
    assert f"would take {size:.3g} GB; allowed: more" in reason
    task = task_of(digits)
    with pytest.raises(ValueError, match=re.escape(reason)):
        small.train(task, digits.base_ids, 0)
    assert task.meter.gradient_evaluations == 0


def test_subtraction_and_repair_forget_a_class(digits):
    task, state = logged(digits, epochs=8)
    ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    step = request(digits, ids)
    result = served(Amnesiac(epochs=3), task, state, step)

    def accuracy(model_state, points):
        logits = task.trainer.predict(task, model_state, task.data.train_images[points])
        return float((logits.argmax(1) == task.data.train_labels[points]).float().mean())

    assert accuracy(state, ids) > 0.9
    assert accuracy(result, ids) < 0.1
    assert accuracy(result, step.retain_ids) > 0.8
