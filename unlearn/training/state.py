"""States: a trained or unlearned model as named tensors, and what changes them.

Importable without torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn

    from unlearn.certificates.record import Certificate

State = Mapping[str, "torch.Tensor | np.ndarray"]
"""A model as named tensors on the CPU; those that come from disk are numpy arrays and are read
when they are asked for."""


class Update:
    """What a method changes in a state.

    `Update()` changes nothing. `Update(model)` makes the tensors of a model the whole state.
    `Update(tensors)` changes these tensors, and `remove` names tensors that the new state lacks.
    `certificate` is the claim of a certified method, with all that it follows from.
    """

    def __init__(
        self,
        changes: nn.Module | State | None = None,
        *,
        remove: Collection[str] = (),
        certificate: Certificate | None = None,
    ):
        self.certificate = certificate
        self.whole = hasattr(changes, "state_dict")
        """Whether the new state consists of `tensors` alone."""
        tensors = state_of(changes) if self.whole else changes
        self.tensors: dict[str, torch.Tensor | np.ndarray] = {
            name: _on_cpu(tensor) for name, tensor in (tensors or {}).items()
        }
        self.removed = frozenset(remove)

    @classmethod
    def replace(cls, state: State) -> Update:
        """The update after which the state consists of these tensors alone."""
        update = cls(state)
        update.whole = True
        return update


class Overlay(Mapping):
    """A state with updates laid over it. Tensors that did not change are read when asked for."""

    def __init__(self, state: State, update: Update):
        """Lay `update` over `state`, which may be an overlay itself."""
        self.base: State = state.base if isinstance(state, Overlay) else state
        self.written: Mapping[str, torch.Tensor | np.ndarray] = update.tensors
        """What the last update changed."""
        removed = set(update.removed)
        if update.whole:
            removed |= set(state) - set(update.tensors)
        earlier = state.changes if isinstance(state, Overlay) else {}
        changes = {**earlier, **dict.fromkeys(removed), **update.tensors}
        self.changes: dict[str, torch.Tensor | np.ndarray | None] = changes
        """The tensors in which this state differs from `base`; None where it lacks one."""

    def __getitem__(self, name: str) -> torch.Tensor | np.ndarray:
        if name not in self.changes:
            return np.asarray(self.base[name]).copy()
        tensor = self.changes[name]
        if tensor is None:
            raise KeyError(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys([*self.base, *self.changes])
        return (name for name in names if self.changes.get(name, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def changed_tensors(self) -> dict[str, np.ndarray]:
        """The tensors in which this state differs from `base`, without those that it lacks."""
        return {n: np.asarray(tensor) for n, tensor in self.changes.items() if tensor is not None}

    def nbytes(self, name: str) -> int:
        """The bytes of a tensor, without reading it."""
        return np.asarray(self[name]).nbytes if name in self.changes else nbytes(self.base, name)

    def rows(self, name: str) -> np.ndarray:
        """A tensor of which rows will be read one by one."""
        return np.asarray(self[name]) if name in self.changes else rows(self.base, name)


def nbytes(state: State, name: str) -> int:
    """The bytes of a tensor, read only if its state cannot tell otherwise."""
    size_of = getattr(state, "nbytes", None)
    return size_of(name) if size_of else np.asarray(state[name]).nbytes


def rows(state: State, name: str) -> np.ndarray:
    """A tensor with a shape, and rows that are read when they are asked for where it is large.

    KeyError if there is none.
    """
    rows_of = getattr(state, "rows", None)
    return rows_of(name) if rows_of else np.asarray(state[name])


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters and buffers, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _on_cpu(tensor: torch.Tensor | np.ndarray) -> torch.Tensor | np.ndarray:
    """A tensor that numpy can read: on the CPU, without a gradient."""
    return tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
