"""States: a model as named tensors."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

State = Mapping[str, torch.Tensor | np.ndarray]
"""A trained or unlearned model as named tensors on the CPU; those that come from disk are numpy
arrays, and are read when they are asked for."""


class Changed(Mapping):
    """A state that differs from another in some tensors. The others are read when asked for.

    For trainers whose states are large: unlearning then costs what it touches.
    """

    def __init__(self, state: State, changes: Mapping[str, torch.Tensor | None]):
        """`changes`: new values by name; None takes a tensor away."""
        earlier = state.changes if isinstance(state, Changed) else {}
        self.base = state.base if isinstance(state, Changed) else state
        self.changes = {**earlier, **changes}

    def __getitem__(self, name: str) -> np.ndarray:
        value = self.changes[name] if name in self.changes else np.asarray(self.base[name]).copy()
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys([*self.base, *self.changes])
        return (name for name in names if self.changes.get(name, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def nbytes(self, name: str) -> int:
        """The bytes of a tensor, without reading it."""
        return nbytes(self.changes if name in self.changes else self.base, name)

    def rows(self, name: str) -> np.ndarray:
        """A tensor of which rows will be read one by one."""
        return rows(self.changes if name in self.changes else self.base, name)


def nbytes(state: State, name: str) -> int:
    """The bytes of a tensor, read only if its state cannot tell otherwise."""
    tell = getattr(state, "nbytes", None)
    return tell(name) if tell else np.asarray(state[name]).nbytes


def rows(state: State, name: str) -> np.ndarray:
    """A tensor with a shape, and rows that are read when they are asked for where it is large.

    KeyError if there is none.
    """
    tell = getattr(state, "rows", None)
    return tell(name) if tell else np.asarray(state[name])


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters and buffers, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
