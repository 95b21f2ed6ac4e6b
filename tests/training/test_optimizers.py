"""Optimisers of a task: masks, frozen weights, schedules, losses that are not finite."""

import math

import pytest
import torch

from tests.support.jobs import task as new_task
from tests.support.visible_loops import RETAINED_IDS, is_same_state, trained_model
from unlearn.algorithms.losses import cross_entropy
from unlearn.training.state import state_of

OPTIMIZERS = [
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.0, "weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    {"optimizer": "adam", "weight_decay": 0.1, "lr": 0.01},
    {"momentum": 0.9, "weight_decay": 0.1, "clip": 0.5},
]


@pytest.mark.parametrize("options", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("kind", ["mlp", "cnn1"])
def test_only_the_named_parameters_change(digits, kind, options):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    initial_state = state_of(model)
    last_names = list(initial_state)[-2:]
    final_state = state_of(trained_model(task, model, only=last_names, **options))
    for name in initial_state:
        assert torch.equal(initial_state[name], final_state[name]) == (name not in last_names), name


def test_parameters_that_were_frozen_are_trained_where_they_are_named(digits):
    """A method may train one part after the other."""
    task = new_task(digits)
    model = task.new_model(0)
    names = list(state_of(model))
    trained_model(task, model, only=names[2:])
    initial_state = state_of(model)
    final_state = state_of(trained_model(task, model, only=names[:2]))
    for name in names:
        assert torch.equal(initial_state[name], final_state[name]) == (name not in names[:2]), name


@pytest.mark.parametrize("options", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("kind", ["mlp", "cnn1"])
def test_masked_coordinates_do_not_change(digits, kind, options):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    initial_state = state_of(model)
    torch.manual_seed(0)
    mask = {name: torch.rand(tensor.shape) < 0.5 for name, tensor in initial_state.items()}
    del mask[list(mask)[-1]]  # without a mask all of it is free
    final_state = state_of(trained_model(task, model, mask=mask, **options))
    for name in initial_state:
        is_free = mask.get(name, torch.ones_like(initial_state[name], dtype=torch.bool))
        assert torch.equal(initial_state[name][~is_free], final_state[name][~is_free]), name
        assert (initial_state[name][is_free] != final_state[name][is_free]).float().mean() > 0.5, (
            name
        )


def test_a_mask_that_is_free_everywhere_changes_nothing(digits):
    task = new_task(digits, model="cnn1")
    states = []
    for is_masked in (False, True):
        model = task.new_model(0)
        ones = {name: torch.ones(p.shape, dtype=bool) for name, p in model.named_parameters()}
        states.append(state_of(trained_model(task, model, mask=ones if is_masked else None)))
    assert is_same_state(*states)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"only": ["1.weight", "head"]},
            "only: the model has no parameter head; allowed: 1.weight",
        ),
        ({"mask": {"head": torch.ones(1, dtype=bool)}}, "mask: the model trains no parameter head"),
        (
            {"only": ["1.bias"], "mask": {"1.weight": torch.ones(10, 64, dtype=bool)}},
            "mask: the model trains no parameter 1.weight",
        ),
        ({"mask": {"1.bias": torch.ones(9, dtype=bool)}}, r"mask: 1.bias is .* \(9,\); allowed"),
        ({"mask": {"1.bias": torch.ones(10)}}, "mask: 1.bias is torch.float32 .*torch.bool"),
        ({"schedule": "cosine"}, "schedule: cosine needs the number of steps"),
        ({"momentum": 1.5}, "momentum: 1.5 is not allowed"),
    ],
    ids=str,
)
def test_optimisers_that_cannot_be_are_refused(digits, options, message):
    task = new_task(digits, model="logistic")
    with pytest.raises(ValueError, match=message):
        task.optimizer(task.new_model(0), **{"lr": 0.1} | options)


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_training(digits, factor):
    task = new_task(digits, model="cnn1")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1)
    (batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500)
    assert optimizer.step(cross_entropy(model(batch.images), batch.labels))
    state = state_of(model)
    assert not task.meter.diverged
    with pytest.warns(UserWarning, match="training has diverged and ends here"):
        assert not optimizer.step(factor * cross_entropy(model(batch.images), batch.labels))
    assert task.meter.diverged and optimizer.diverged
    assert not optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert is_same_state(state, state_of(model))
    assert task.meter.optimizer_steps == 1


def test_a_gradient_that_is_not_finite_is_not_stepped_along_where_it_is_clipped(digits):
    task = new_task(digits, model="logistic")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1, clip=1.0)
    initial_state = state_of(model)
    (batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500)
    loss = cross_entropy(model(batch.images), batch.labels)
    model[1].bias.register_hook(lambda gradient: gradient * math.nan)
    with pytest.warns(UserWarning, match="diverged"):
        assert not optimizer.step(loss)
    assert task.meter.diverged and is_same_state(initial_state, state_of(model))


def test_two_optimizers_of_one_model_train_what_each_is_for(digits):
    task = new_task(digits, model="mlp", momentum=0.0)
    model = task.new_model(0)
    before = state_of(model)
    head = task.optimizer(model, lr=0.1, only=["3.weight"])
    body = task.optimizer(model, lr=0.1, only=["1.weight"])
    for batch in task.minibatches(digits.base_ids, 0):
        for optimizer in (head, body):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    after = state_of(model)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"1.weight", "3.weight"}
    whole = task.optimizer(model, lr=0.1)
    batch = next(task.minibatches(digits.base_ids, 0))
    whole.step(cross_entropy(model(batch.images), batch.labels))
    assert not torch.equal(model.state_dict()["1.bias"].cpu(), after["1.bias"])


def test_a_schedule_advances_by_itself(digits):
    task = new_task(digits, model="logistic")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1, schedule="cosine", steps=3)
    rates = []
    batch = next(task.minibatches(digits.base_ids, 0))
    for _ in range(3):
        rates.append(optimizer.rate(optimizer.steps_taken))
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert rates[0] == 0.1 and rates[0] > rates[1] > rates[2] > 0
    with pytest.raises(ValueError, match="step: 3 is beyond the 3 steps of the schedule"):
        optimizer.step(cross_entropy(model(batch.images), batch.labels))


def test_weights_that_are_a_slice_are_stepped_on_like_others(digits):
    task = new_task(digits, model="logistic", momentum=0.9)
    models = [task.new_model(0), task.new_model(0)]
    weight = models[1][1].weight
    wide = torch.zeros(10, 100)
    wide[:, :64] = weight.detach()
    models[1][1].weight = torch.nn.Parameter(wide[:, :64])
    batch = next(task.minibatches(digits.base_ids, 0))
    for model in models:
        optimizer = task.optimizer(model, lr=0.1)
        for _ in range(2):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert torch.equal(models[0][1].weight, models[1][1].weight)
