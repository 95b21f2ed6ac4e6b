"""States: what an update changes of them, and that nothing is read before it is asked for."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from unlearn.training.state import Overlay, Update, nbytes, rows, state_of


class Stored(Mapping):
    """A state on disk, which notes what is read of it."""

    def __init__(self, **tensors):
        self.tensors = {name: np.array(values, np.float32) for name, values in tensors.items()}
        self.reads = []

    def __getitem__(self, name):
        self.reads.append(name)
        return self.tensors[name]

    def __iter__(self):
        return iter(self.tensors)

    def __len__(self):
        return len(self.tensors)

    def nbytes(self, name):
        return self.tensors[name].nbytes

    def rows(self, name):
        return self.tensors[name]


@pytest.fixture
def stored():
    return Stored(weight=[[1, 2], [3, 4]], bias=[5, 6], memory=[7])


def content(state):
    return {name: np.asarray(state[name]).tolist() for name in state}


BEFORE = {"weight": [[1, 2], [3, 4]], "bias": [5, 6], "memory": [7]}


def test_an_empty_update_changes_nothing(stored):
    after = Overlay(stored, Update())
    assert content(after) == BEFORE and len(after) == 3
    assert after.changed_tensors() == {} and after.written == {}


def test_the_update_of_a_model_is_the_whole_state(stored):
    model = nn.Linear(2, 2)
    after = Overlay(stored, Update(model))
    assert set(after) == {"weight", "bias"} and len(after) == 2
    assert all(torch.equal(after[name], tensor) for name, tensor in model.state_dict().items())
    assert "memory" not in after
    with pytest.raises(KeyError):
        after["memory"]


def test_an_update_does_not_change_with_the_model(stored):
    model = nn.Linear(2, 2)
    update = Update(model)
    before = model.weight.detach().clone()
    nn.init.zeros_(model.weight)
    assert torch.equal(Overlay(stored, update)["weight"], before)


def test_an_update_of_tensors_leaves_the_others(stored):
    after = Overlay(stored, Update({"bias": torch.zeros(2), "extra": torch.ones(1)}))
    assert content(after) == BEFORE | {"bias": [0, 0], "extra": [1]}
    assert set(after.changed_tensors()) == {"bias", "extra"}
    assert content(stored) == BEFORE


def test_an_update_removes_tensors(stored):
    after = Overlay(stored, Update({"bias": torch.zeros(2)}, remove=["memory"]))
    assert content(after) == {"weight": [[1, 2], [3, 4]], "bias": [0, 0]}
    assert "memory" not in after and len(after) == 2
    assert set(after.changed_tensors()) == {"bias"}
    for ask in (after.__getitem__, after.nbytes, after.rows):
        with pytest.raises(KeyError):
            ask("memory")


def test_a_replacement_leaves_nothing_else(stored):
    after = Overlay(stored, Update.replace({"bias": torch.zeros(2), "other": torch.ones(3)}))
    assert content(after) == {"bias": [0, 0], "other": [1, 1, 1]}
    assert not Update({"bias": torch.zeros(2)}).whole and Update.replace({}).whole


def test_updates_are_laid_over_updates(stored):
    first = Overlay(stored, Update({"bias": torch.zeros(2), "extra": torch.ones(1)}))
    second = Overlay(first, Update({"weight": torch.zeros(2, 2)}, remove=["bias"]))
    third = Overlay(second, Update({"bias": torch.full((2,), 9.0)}, remove=["extra"]))
    assert content(second) == {"weight": [[0, 0], [0, 0]], "memory": [7], "extra": [1]}
    assert content(third) == {"weight": [[0, 0], [0, 0]], "bias": [9, 9], "memory": [7]}
    assert set(third.written) == {"bias"}
    assert set(third.changed_tensors()) == {"weight", "bias"}
    assert third.base is stored  # not a tower of overlays
    assert content(first) == BEFORE | {"bias": [0, 0], "extra": [1]}
    whole = Overlay(third, Update(nn.Linear(2, 2)))
    assert set(whole) == {"weight", "bias"}


def test_tensors_are_read_when_they_are_asked_for(stored):
    after = Overlay(stored, Update({"bias": torch.zeros(2)}, remove=["memory"]))
    after = Overlay(after, Update.replace({"weight": torch.zeros(2, 2), "bias": after["bias"]}))
    assert list(after) and "memory" not in after and len(after) == 2
    assert after.changed_tensors() and after.nbytes("bias") == 8
    assert stored.reads == []
    assert np.asarray(Overlay(stored, Update())["weight"]).shape == (2, 2)
    assert stored.reads == ["weight"]


def test_sizes_and_rows_of_unchanged_tensors_are_not_read(stored):
    after = Overlay(stored, Update({"bias": torch.zeros(2)}))
    assert nbytes(after, "weight") == 16 and nbytes(after, "bias") == 8
    assert rows(after, "weight")[1].tolist() == [3, 4] and rows(after, "bias")[1] == 0
    assert stored.reads == []
    assert nbytes({"a": torch.zeros(3)}, "a") == 12
    assert rows({"a": torch.zeros(3, 2)}, "a").shape == (3, 2)


def test_a_tensor_that_is_read_can_be_written_to(stored):
    after = Overlay(stored, Update())
    after["bias"][:] = 0
    assert content(after) == BEFORE


def test_the_state_of_a_model_is_a_copy():
    model = nn.BatchNorm1d(3)
    state = state_of(model)
    assert set(state) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    nn.init.zeros_(model.weight)
    assert state["weight"].tolist() == [1, 1, 1] and not state["weight"].requires_grad
