"""What a method returns and leaves alone: checks of states.

A check raises AssertionError whose message is one line: the method, its parameters, what is wrong.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from unlearn.conformance.subject import (
    Subject,
    arrays,
    checksum,
    ninth_ids,
    ninth_step,
    small_digits,
    trained_state,
    trainer_of,
)
from unlearn.core import registry
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.state import Overlay, Update

STREAM_EPOCHS = 2
"""The epochs of the models that a stream starts from."""


def check_update(subject: Subject, trained: Mapping) -> None:
    """The result is an update whose tensors lie on the CPU without gradients."""
    update = subject.method.unlearn(subject.task(), trained, ninth_step(subject.data), 0)
    assert isinstance(update, Update), f"{subject}: returns {type(update).__name__}, no Update"
    both = update.removed & set(update.tensors)
    assert not both, f"{subject}: changes and removes {min(both, default='')}"
    unknown = update.removed - set(trained)
    assert not unknown, f"{subject}: removes {min(unknown, default='')}, which no state has"
    for name, tensor in update.tensors.items():
        is_array = isinstance(tensor, (torch.Tensor, np.ndarray, np.generic))
        assert is_array, f"{subject}: {name} is a {type(tensor).__name__}, no tensor"
        device = torch.as_tensor(tensor).device.type
        assert device == "cpu", f"{subject}: {name} lies on {device}, not on the CPU"
        assert not torch.as_tensor(tensor).requires_grad, f"{subject}: {name} needs a gradient"


def check_state(subject: Subject, trained: Mapping) -> None:
    """The new state has the tensors of the trained one, finite."""
    state, task = subject.usual(trained)
    dtypes = {key: value.dtype for key, value in state.items() if key in trained or "/" not in key}
    expected = {key: value.dtype for key, value in trained.items()}
    changed = [key for key in dtypes | expected if dtypes.get(key) != expected.get(key)]
    assert not changed, (
        f"{subject}: {changed[0]} is {dtypes.get(changed[0])}, was {expected.get(changed[0])}"
    )
    for key in task.trainer.served(trained):
        shape = state[key].shape
        assert shape == trained[key].shape, f"{subject}: {key} has the shape {shape}"
    check_finite(subject, state)


def check_finite(subject: Subject, state: Mapping) -> None:
    """Every tensor of a state is finite."""
    for name, value in state.items():
        assert np.isfinite(value).all(), f"{subject}: {name} is not finite"


def check_teacher(subject: Subject, trained: Mapping) -> None:
    """The trained model stays as it is, and the result shares no memory with it."""
    copies = {name: np.array(value) for name, value in trained.items()}
    before = checksum(copies)
    state, _ = subject.serve(copies)
    assert checksum(copies) == before, f"{subject}: changes the trained model in place"
    for value in state.values():
        value[...] = 0
    assert checksum(copies) == before, f"{subject}: returns memory of the trained model"


def check_seed(subject: Subject, trained: Mapping) -> None:
    """The same seed gives the same bytes, whatever happened before; another seed, other bytes.

    The same instance serves twice with the same task, after other calls and with other states of
    the global random numbers. These are left alone.
    """
    usual_state, _ = subject.usual(trained)
    task = subject.task()
    values = subject.method.values()
    sums = []
    for seed in (0, 1, 0):
        torch.manual_seed(99 + len(sums))
        np.random.seed(99 + len(sums))
        torch_state = torch.random.get_rng_state()
        numpy_state = np.random.get_state()[1].copy()
        step = ninth_step(subject.data)
        update = subject.method.unlearn(task, trained, step, seed)
        kept = torch.equal(torch.random.get_rng_state(), torch_state)
        kept = kept and np.array_equal(np.random.get_state()[1], numpy_state)
        assert kept, f"{subject}: draws from a global generator; allowed: generators of its seed"
        sums.append(checksum(arrays(Overlay(trained, update))))
    assert sums[0] == checksum(usual_state), f"{subject}: depends on the global random numbers"
    assert sums[0] == sums[2], f"{subject}: remembers an earlier call"
    assert vars(subject.method) == values, f"{subject}: changes its parameters"
    is_deterministic = type(subject.method).deterministic
    assert (sums[0] == sums[1]) is is_deterministic, (
        f"{subject}: declares deterministic = {is_deterministic}, and seeds 0 and 1 give "
        f"{'the same' if sums[0] == sums[1] else 'different'} bytes"
    )


def check_change(subject: Subject, trained: Mapping) -> None:
    """Weights and predictions change; no weight does where the method declares that."""
    state, task = subject.usual(trained)
    weights = task.trainer.compared(task) or task.trainer.served(trained)
    changed = any(not np.array_equal(state[name], trained[name]) for name in weights)
    advice = "name parameters that do in the attribute `conformance`"
    if not subject.method.changes_weights:
        assert not changed, f"{subject}: declares to change no weight and changes some"
        changed = subject.changes(trained, state)
    assert changed, f"{subject}: changes nothing if a ninth is deleted; {advice}"
    pixels = torch.from_numpy(subject.data.test_images).to(task.machine.device)
    before = task.trainer.predict(task, trained, pixels)
    after = task.trainer.predict(task, state, pixels)
    assert not torch.equal(before, after), f"{subject}: changes weights and no prediction"


def check_frozen_layer(subject: Subject, trained: Mapping) -> None:
    """A first layer that nothing may train stays, to the bit.

    What differs from the trained model's was fitted anew, to the points that are left.
    """
    state, task = subject.usual(trained)
    retain_ids = np.setdiff1d(subject.data.base_ids, ninth_ids(subject.data))
    for name in [name for name in trained if name.endswith("0.filters")]:
        ids = state[f"{name.partition('/')[0]}/slice00/ids"] if "/" in name else retain_ids
        fitted_filters = task.new_model(0, ids)[0].filters.cpu().numpy()
        is_same = np.array_equal(state[name], trained[name])
        assert is_same or np.array_equal(state[name], fitted_filters), (
            f"{subject}: moves {name}, which nothing may train"
        )


def check_frozen_weights(subject: Subject, trained: Mapping) -> None:
    """Tensors that stay without momentum and decay stay with them, too: no decay of frozen weights.

    Only a method of the standard trainer is asked.
    """
    if trainer_of(subject.method) != "standard":
        return
    changes = ({"momentum": 0.0, "weight_decay": 0.0}, {"momentum": 0.9, "weight_decay": 0.05})
    states = []
    for change in changes:
        task = subject.task(epochs=1, nesterov=False, **change)
        update = subject.method.unlearn(task, trained, ninth_step(subject.data), 0)
        states.append(arrays(Overlay(trained, update)))
    for name in task.trainer.compared(task):
        frozen = np.array_equal(states[0][name], trained[name])
        assert not frozen or np.array_equal(states[1][name], trained[name]), (
            f"{subject}: {name} is frozen, and momentum or weight decay moves it; "
            "freeze by `only` or `mask` of the optimiser"
        )


def check_neutral(subject: Subject, trained: Mapping) -> None:
    """At neutral parameters the method is the simpler one that it names, to the bit.

    Hooks of saved tensors keep `fit` from its fast path for linear layers, which rounds otherwise.
    """
    if not subject.method.neutral:
        pytest.skip(f"{subject}: names no `neutral` parameters")
    for options, other_name, other_options in subject.method.neutral:
        neutral = replace(subject, method=type(subject.method)(**options))
        other_method = registry.find("methods", other_name)(**other_options)
        other = replace(subject, method=other_method, name=other_name)
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda kept: kept):
            state, _ = neutral.serve(trained)
            other_state, _ = other.serve(trained)
        assert checksum(state) == checksum(other_state), f"{neutral}: differs from {other}"


def check_stream(subject: Subject) -> None:
    """Two steps, each from the state of the one before: a deletion, then an addition."""
    data = small_digits()
    trainer = trainer_of(subject.method)
    state: Mapping = trained_state(small_digits, subject.model, trainer, STREAM_EPOCHS)
    names = subject.task().trainer.served(state)
    stream = Request([data.base_ids[:5], NO_IDS], [NO_IDS, data.held_out_ids[:5]])
    for step in stream.steps(len(data.train_labels), data.base_ids):
        task = subject.task(epochs=STREAM_EPOCHS)
        state = Overlay(state, subject.method.unlearn(task, state, step, 0))
        missing = set(names) - set(state)
        assert not missing, f"{subject}: step {step.index} lacks {min(missing, default='')}"
        check_finite(subject, arrays(state))


def check_continuation(subject: Subject, trained: Mapping) -> None:
    """A later step builds on the model of an earlier one exactly if the method declares so."""
    data = subject.data
    stream = Request([data.base_ids[:9], data.base_ids[9:18]], [NO_IDS, NO_IDS])
    first, second = stream.steps(len(data.train_labels), data.base_ids)
    state, task = subject.serve(trained, step=first)
    names = task.trainer.served(state)
    other = state | {n: state[n] * 1.5 for n in names if state[n].dtype.kind == "f"}
    state, _ = subject.serve(state, step=second)
    other, _ = subject.serve(other, step=second)
    builds = not subject.is_same(state, other)
    continues = subject.method.continues
    assert builds is continues, (
        f"{subject}: declares continues = {continues}, and its second step "
        f"{'depends' if builds else 'does not depend'} on the model of the first"
    )
