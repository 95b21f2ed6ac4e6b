"""What a trainer or a method is given: data, model factory, recipe, machine, and the meter."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import nn

from unlearn.costs import Meter
from unlearn.machine import Machine
from unlearn.progress import Progress

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


@dataclass(frozen=True)
class Data:
    """Tensors of a data set, on the device. Images uint8 N x H x W x C, labels int64 N."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    base: np.ndarray
    """Sorted ids of the training points in base training."""
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    levels: float = 255
    """What `images` hold for the value 1, of which mean and std are told."""

    @cached_property
    def scale(self) -> torch.Tensor:
        """1 / (levels std) by channel, to broadcast over N x C x H x W."""
        scale = [1 / (self.levels * s) for s in self.std]
        return torch.tensor(scale, device=self.train_images.device).view(1, -1, 1, 1)

    @cached_property
    def shift(self) -> torch.Tensor:
        """mean / std by channel, to broadcast over N x C x H x W."""
        shift = [m / s for m, s in zip(self.mean, self.std, strict=True)]
        return torch.tensor(shift, device=self.train_images.device).view(1, -1, 1, 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return tuple(self.train_images.shape[1:])


@dataclass
class Task:
    """One data set, one model, one recipe, one trainer, on one machine.

    A method may use all of it. It charges the work it does to `meter` (the shared training loop
    does so by itself) and may report to `progress`.
    """

    data: Data
    new_model: Callable[[int], nn.Module]
    """new_model(seed): the architecture on the device, with the initial weights of that seed."""
    recipe: Mapping
    machine: Machine
    trainer: "object" = None
    """The trainer whose models are unlearned; `trainer.train(task, ids, seed)` retrains."""
    architectures: Callable[[str, Mapping], tuple[Callable, Machine]] | None = None
    """architectures(kind, parameters): what `new_model` and `machine` are of another one."""
    meter: Meter = field(default_factory=Meter)
    progress: Progress = field(default_factory=Progress)

    def of(self, kind: str, parameters: Mapping) -> "Task":
        """This task for models of another architecture: same data, recipe, trainer and meter."""
        new_model, machine = self.architectures(kind, parameters)
        return replace(self, new_model=new_model, machine=machine)

    def model(self, state: State) -> nn.Module:
        """A model of its own, holding a copy of the tensors of `state`."""
        model = self.new_model(0)
        model.load_state_dict({name: torch.as_tensor(state[name]) for name in model.state_dict()})
        return model


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters and buffers, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def points(ids: np.ndarray) -> torch.Tensor:
    """Ids as an index tensor."""
    return torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
