"""What loops are charged: every pass, and none twice."""

import copy

import pytest
import torch
from torch import nn

from tests.support.jobs import task as new_task
from tests.support.visible_loops import IDS, RETAINED_IDS, trained_model
from unlearn.algorithms.losses import cross_entropy
from unlearn.training.loop import fit, predict
from unlearn.training.meter import flops_per_sample
from unlearn.training.state import state_of


def flops_of_sample(task, model):
    """FLOPs forward and backward of one image."""
    return flops_per_sample(model, task.data.images(IDS[:1]))


@pytest.mark.parametrize("kind", ["mlp", "cnn1", "resnet9"])
def test_a_loop_is_charged_exactly(digits, kind):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.01)
    for epoch in range(2):
        for batch in task.minibatches(RETAINED_IDS, 0, epoch):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    task.meter.settle()
    forward, backward = flops_of_sample(task, task.new_model(0))
    assert task.meter.gradient_evaluations == 2 * len(RETAINED_IDS)
    assert task.meter.optimizer_steps == 14
    assert task.meter.flops == 2 * len(RETAINED_IDS) * (forward + backward)
    assert task.meter.forward_evaluations == 0


def test_fit_is_charged_what_a_loop_is_charged(digits):
    for kind in ("mlp", "cnn1"):
        task = new_task(digits, model=kind, epochs=1)
        fit(task, task.new_model(0), IDS, task.recipe, 0)
        loop_task = new_task(digits, model=kind)
        trained_model(loop_task, loop_task.new_model(0), ids=IDS)
        for name in ("gradient_evaluations", "forward_evaluations", "flops", "optimizer_steps"):
            assert getattr(task.meter, name) == getattr(loop_task.meter, name), name


def test_passes_of_a_teacher_go_forward_only(digits):
    task = new_task(digits)
    teacher = task.new_model(1)
    student = task.new_model(0)
    optimizer = task.optimizer(student, lr=0.01)
    for batch in task.minibatches(RETAINED_IDS, 0):
        with torch.no_grad():
            targets = teacher(batch.images).softmax(1)
        optimizer.step(nn.functional.cross_entropy(student(batch.images), targets))
    task.meter.settle()
    forward, backward = flops_of_sample(task, task.new_model(0))
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == len(RETAINED_IDS)
    assert task.meter.flops == len(RETAINED_IDS) * (2 * forward + backward)


def test_passes_without_a_step_go_forward_only(digits):
    """With gradients, but no optimiser asked for them."""
    task = new_task(digits)
    for seed in range(5):  # networks that are gone before anything is settled
        task.new_model(seed)(task.data.images(IDS[:10]))
    trained_model(task, task.new_model(0))
    task.meter.settle()
    forward, backward = flops_of_sample(task, task.new_model(0))
    assert task.meter.forward_evaluations == 50
    assert task.meter.gradient_evaluations == len(RETAINED_IDS)
    assert task.meter.flops == 50 * forward + len(RETAINED_IDS) * (forward + backward)


def test_all_passes_since_the_last_step_are_charged_to_it(digits):
    task = new_task(digits)
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.01)
    losses = [
        cross_entropy(model(task.data.images(ids)), task.data.labels(ids))
        for ids in (IDS[:10], IDS[10:25])
    ]
    optimizer.step(losses[0] - 0.1 * losses[1])
    assert task.meter.gradient_evaluations == 25 and task.meter.optimizer_steps == 1


def test_frozen_layers_cost_no_backward_pass(digits):
    task = new_task(digits)
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.01, only=["3.weight", "3.bias"])
    logits = model(task.data.images(RETAINED_IDS))
    optimizer.step(cross_entropy(logits, task.data.labels(RETAINED_IDS)))
    flops_of_all_layers = sum(flops_of_sample(task, task.new_model(0)))
    assert 0 < task.meter.flops < 0.7 * len(RETAINED_IDS) * flops_of_all_layers


def test_predictions_for_scores_are_not_charged(digits):
    task = new_task(digits)
    logits = predict(task, task.new_model(0), task.data.train_images)
    task.meter.settle()
    assert logits.shape == (200, 10)
    assert task.meter.flops == task.meter.forward_evaluations == 0


def test_a_model_for_work_by_hand_is_not_charged(digits):
    task = new_task(digits)
    task.bare_model(state_of(task.new_model(0)))(task.data.images(RETAINED_IDS))
    task.meter.settle()
    assert task.meter.flops == task.meter.forward_evaluations == 0


def quadratic(model):
    return sum(parameter.square().sum() for parameter in model.parameters())


def test_a_part_of_the_weights_is_charged_as_a_part(digits):
    """The gradient of the last layer alone takes less arithmetic than that of all layers."""
    flops = {}
    for names in (None, ["3.weight", "3.bias"]):
        task = new_task(digits, model="mlp")
        model = task.new_model(0)
        optimizer = task.optimizer(model, lr=0.1, only=names)
        batch = next(task.minibatches(digits.base_ids, 0))
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
        assert task.meter.gradient_evaluations == len(batch.labels)
        flops[names is None] = task.meter.flops
    assert 0 < flops[False] < flops[True]


@pytest.mark.parametrize("wrap", [copy.deepcopy, torch.nn.Sequential], ids=["copy", "wrapper"])
def test_copies_and_wrappers_are_charged(digits, wrap):
    task = new_task(digits, model="mlp")
    model = wrap(task.new_model(0))
    optimizer = task.optimizer(model, lr=0.1)
    batch = next(task.minibatches(digits.base_ids, 0))
    optimizer.step(cross_entropy(model(batch.images), batch.labels))
    task.meter.settle()
    assert task.meter.gradient_evaluations == len(batch.labels)
    assert task.meter.forward_evaluations == 0


def test_work_that_would_be_free_is_refused(digits):
    task = new_task(digits, model="mlp")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1)
    with pytest.raises(RuntimeError, match="has made no forward pass that was charged"):
        optimizer.step(quadratic(model))
    with task.meter.by_hand():
        assert optimizer.step(quadratic(model))
    images = task.data.images(digits.base_ids[:4])
    weights = dict(model.named_parameters())
    call = torch.func.vmap(lambda image: torch.func.functional_call(model, weights, (image[None],)))
    with pytest.raises(RuntimeError, match=r"use `task\.bare_model`"):
        call(images)
