"""What a trainer or a method is given: data, model factory, recipe, machine, and the meter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import nn

from unlearn.core.progress import Progress
from unlearn.training.device import Machine
from unlearn.training.meter import Meter
from unlearn.training.state import State


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


def points(ids: np.ndarray) -> torch.Tensor:
    """Ids as an index tensor."""
    return torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
