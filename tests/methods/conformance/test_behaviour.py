"""What every method does with a model. New methods are found by themselves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import (
    METHODS,
    VERSIONS,
    arrays,
    checksum,
    described,
    model_of,
    ninth_ids,
    ninth_step,
    request,
)
from tests.support.jobs import job
from tests.support.streams import deletions, served
from unlearn.core import registry
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.state import Update

IDLE_IF_NOTHING_IS_ASKED = ("original", "sisa", "deltagrad", "gradient_ascent", "naive_finetuning")
"""Methods that return the trained model to the bit where a request is empty."""


def test_returns_an_update_of_tensors_of_the_state(subject, digits, trained):
    update = subject.method.unlearn(subject.task(), trained, ninth_step(digits), 0)
    assert isinstance(update, Update)
    assert not update.removed & set(update.tensors)
    assert update.removed <= set(trained)
    for tensor in update.tensors.values():
        assert isinstance(tensor, (torch.Tensor, np.ndarray, np.generic))
        assert torch.as_tensor(tensor).device.type == "cpu"
        assert not torch.as_tensor(tensor).requires_grad


def test_gives_a_state_like_the_trained_one(subject, trained):
    state, task = subject.serve(trained)
    dtypes = {k: v.dtype for k, v in state.items() if k in trained or "/" not in k}
    assert dtypes == {k: v.dtype for k, v in trained.items()}
    for key in task.trainer.served(trained):
        assert state[key].shape == trained[key].shape
        assert state[key].dtype == trained[key].dtype
    assert all(np.isfinite(v).all() for v in state.values())


def test_does_not_touch_its_input(subject, trained):
    before = checksum(trained)
    state, _ = subject.serve(trained)
    for value in state.values():
        value[...] = 0  # neither does a later change of the result
    assert checksum(trained) == before


def test_is_deterministic_given_the_seed(subject, digits, trained):
    """The state of the global random numbers does not matter."""
    first, _ = subject.serve(trained)
    for seed in (99, 100):
        task = subject.task()  # seeds the global ones
        torch.manual_seed(seed)
        np.random.seed(seed)
        state = served(subject.method, task, trained, ninth_step(digits))
        assert checksum(first) == checksum(arrays(state))


def test_has_no_memory(subject, digits, trained):
    """A second call of the same instance with the same task gives the same."""
    task = subject.task()
    values = subject.method.values()
    states = [
        arrays(served(subject.method, task, trained, ninth_step(digits), seed))
        for seed in (0, 1, 0)
    ]
    assert checksum(states[0]) == checksum(states[2])
    assert vars(subject.method) == values


@pytest.mark.parametrize("ids", ["none", "one", "class"])
def test_survives_odd_requests(subject, ids, digits, trained):
    chosen = {
        "none": NO_IDS,
        "one": digits.base_ids[:1],
        "class": digits.base_ids[digits.train_labels[digits.base_ids] == 3],
    }[ids]
    state, _ = subject.serve(trained, step=request(digits, chosen))
    assert all(np.isfinite(v).all() for v in state.values())


def test_survives_additions(subject, digits, trained):
    addition = Request([NO_IDS], [digits.held_out_ids[:9]])
    step = next(iter(addition.steps(200, digits.base_ids)))
    state, _ = subject.serve(trained, step=step)
    assert all(np.isfinite(v).all() for v in state.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_serves_streams(version, digits):
    name, method = VERSIONS[version]
    fleet_job = described(model_of(method), 2, seeds=(0, 1), method=name, options=method.values())
    base = train_fleet(digits, fleet_job)
    stream = Request([digits.base_ids[:5], NO_IDS], [NO_IDS, digits.held_out_ids[:5]])
    result = unlearn_fleet(digits, fleet_job, base.states, stream)
    points = len(digits.evaluated_ids(stream))
    points += len(digits.validation_labels) + len(digits.test_labels)
    assert result.logits.shape == (2, 2, points, 10)
    assert [len(costs) for costs in result.costs] == [2, 2]
    assert all(len(s[n]) == 2 for s in result.states for n in result.compared)


@pytest.mark.parametrize("name", METHODS)
def test_refuses_requests_outside_the_data(name, digits):
    fleet_job = job(epochs=1, method=name)
    base = train_fleet(digits, fleet_job)
    for point in (200, digits.held_out_ids[0]):
        with pytest.raises(ValueError, match=f"point {point}"):
            unlearn_fleet(digits, fleet_job, base.states, deletions([point]))


def test_leaves_global_random_state_alone(subject, digits, trained):
    task = subject.task()
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.random.get_rng_state()
    numbers = np.random.get_state()[1].copy()
    subject.method.unlearn(task, trained, ninth_step(digits), 0)
    assert torch.equal(torch.random.get_rng_state(), expected)
    assert np.array_equal(np.random.get_state()[1], numbers)


def test_changes_the_model(subject, digits, trained):
    """Trainable weights and predictions; statistics alone where it declares to change no weight."""
    if subject.name == "original":
        pytest.skip("original does nothing")
    state, task = subject.serve(trained)
    weights = task.trainer.compared(task) or task.trainer.served(trained)
    changed = any(not np.array_equal(state[k], trained[k]) for k in weights)
    advice = "name parameters that do in the attribute `conformance`"
    if not subject.method.changes_weights:
        assert not changed, f"{subject}: declares to change no weight and changes some"
        changed = subject.changes(trained, state)
    assert changed, f"{subject}: changes nothing if a ninth is deleted; {advice}"
    pixels = torch.from_numpy(digits.test_images).to(task.machine.device)
    before = task.trainer.predict(task, trained, pixels)
    after = task.trainer.predict(task, state, pixels)
    assert not torch.equal(before, after), f"{subject}: changes weights and no prediction"


def test_leaves_a_frozen_first_layer_alone(subject, digits, trained):
    """To the bit: what differs from the trained model's was fitted anew, to points that are left."""
    if subject.model != "air":
        pytest.skip(f"{subject.model} has no frozen layer")
    state, task = subject.serve(trained)
    names = [name for name in trained if name.endswith("0.filters")]
    retain_ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    assert names
    for name in names:
        ids = state[f"{name.partition('/')[0]}/slice00/ids"] if "/" in name else retain_ids
        fitted_filters = task.new_model(0, ids)[0].filters.cpu().numpy()
        is_same = np.array_equal(state[name], trained[name])
        assert is_same or np.array_equal(state[name], fitted_filters), (
            f"{subject}: moves {name}, which nothing may train"
        )


def test_changes_nothing_if_nothing_is_asked(subject, digits, trained):
    if subject.name not in IDLE_IF_NOTHING_IS_ASKED:
        pytest.skip(f"{subject.name} trains whatever is asked")
    state, task = subject.serve(trained, step=request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == task.meter.optimizer_steps == 0


def test_costs_what_its_formula_says(subject, digits, trained):
    """Gradients of points are counted exactly as the method declares."""
    if subject.model != "mlp":
        pytest.skip(f"{subject.model}: the formula is for networks without batch normalisation")
    deleted = len(ninth_ids(digits))
    recipe = subject.task().recipe
    expected = subject.method.gradient_evaluations(len(digits.base_ids) - deleted, deleted, recipe)
    if expected is None:
        pytest.skip(f"{subject.name} declares no formula")
    _, task = subject.serve(trained)
    assert task.meter.gradient_evaluations == expected


def test_is_another_method_at_neutral_parameters(subject, trained):
    """To the bit: what a method adds to a simpler one can be switched off.

    Hooks of saved tensors keep `fit` from its fast path for linear layers, which rounds otherwise.
    """
    for options, other_name, other_options in subject.method.neutral:
        neutral = replace(subject, method=type(subject.method)(**options))
        other = replace(
            subject, method=registry.find("methods", other_name)(**other_options), name=other_name
        )
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda kept: kept):
            state, _ = neutral.serve(trained)
            other_state, _ = other.serve(trained)
        assert checksum(state) == checksum(other_state), f"{neutral} differs from {other}"
