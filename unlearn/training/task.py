"""The task of trainers and methods: data, networks, recipe, machine, and the meter."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from unlearn.core import seeding
from unlearn.core.progress import Progress
from unlearn.models.base import Architecture
from unlearn.models.layers import has_batch_statistics
from unlearn.training.augmentation import Epoch
from unlearn.training.data import Data
from unlearn.training.device import Machine
from unlearn.training.instruments import instrument
from unlearn.training.meter import Meter
from unlearn.training.minibatches import Batch, minibatches
from unlearn.training.optimizers import Optimizer
from unlearn.training.recipe import Recipe
from unlearn.training.state import State

SIMPLE_RECIPE = {"schedule": "constant", "nesterov": False, "mixup": 0.0}
"""The defaults of a method's optimiser, where they differ from the recipe."""


@dataclass
class Task:
    """One data set, one architecture, one recipe, one trainer, on one machine.

    A method may use all of it. Its work is charged to `meter` by itself as long as it trains
    models of the task with optimisers of the task.
    """

    data: Data
    architecture: Architecture
    recipe: Recipe
    machine: Machine
    trainer: Any = None
    """The `trainers.base.Trainer` whose models are unlearned."""
    meter: Meter = field(default_factory=Meter)
    progress: Progress = field(default_factory=Progress)
    machine_for: Callable[[Architecture], Machine] | None = None
    """The machine for another architecture, whose precision may differ."""
    ordered_ids: np.ndarray | None = None
    """The points whose random order `training.loop.fit` cuts into minibatches; None takes all."""
    cache: dict = field(default_factory=dict)
    """What a trainer keeps from call to call: a function of the task alone."""

    @property
    def cut_ids(self) -> np.ndarray:
        """The points whose random order training cuts into minibatches."""
        return self.data.ids if self.ordered_ids is None else self.ordered_ids

    def of(self, architecture: Architecture) -> "Task":
        """This task for another architecture: same data, recipe, trainer and meter."""
        machine = self.machine_for(architecture) if self.machine_for else self.machine
        return replace(self, architecture=architecture, machine=machine, cache={})

    def new_model(self, seed: int, ids: np.ndarray | None = None) -> nn.Module:
        """A network on the device whose initial weights are a function of `seed` alone.

        Forward passes with gradients run in the machine's precision, others in float32; all are
        charged to the meter.

        Args:
            seed: Decides the initial weights.
            ids: The points that it will be trained on. An architecture with `prepared_points` takes
                statistics of some of them, charged as forward passes. None leaves these out.
        """
        model = instrument(self._network(seed), self)
        count = self.architecture.prepared_points
        if count and ids is not None and len(ids):
            order = seeding.shuffled(np.sort(ids), seeding.derive(0, "prepared points"))
            images = self.data.images(order[:count])
            self.architecture.prepare(model, images)
            self.meter.forwards(model, images[:1], len(images))
        return model

    def model(self, state: State) -> nn.Module:
        """A network that holds a copy of the tensors of `state`; see `new_model`."""
        return instrument(self.bare_model(state), self)

    def bare_model(self, state: State) -> nn.Module:
        """A network with the tensors of `state`, in float32, whose work is charged by hand."""
        network = self._network(0)
        tensors = {name: torch.as_tensor(state[name]) for name in network.state_dict()}
        network.load_state_dict(tensors)
        return network

    def _network(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.architecture.build(self.data.shape, self.data.classes)
        layout = torch.contiguous_format if self.architecture.flat else torch.channels_last
        return network.to(self.machine.device, memory_format=layout)

    def minibatches(
        self,
        ids: np.ndarray,
        seed: int,
        epoch: int = 0,
        *,
        batch_size: int | None = None,
        among: np.ndarray | None = None,
        augment: bool = True,
        min_points: int | None = None,
    ) -> Iterator[Batch]:
        """The minibatches of one epoch over the training points `ids`, in a seeded random order.

        Args:
            ids: The points.
            seed: Decides the order, together with `epoch`; crops and flips depend on it, too.
            epoch: Counts from 0.
            batch_size: Points of a minibatch; None takes that of the recipe.
            among: The points whose random order is cut into minibatches, of which those in `ids`
                are kept. None takes `ids`, so that minibatches are full. `data.ids` pairs the
                minibatches with those of training on other points with the same seed.
            augment: Whether the recipe's crops, flips and blanked squares are applied.
            min_points: Smaller minibatches are left out. None takes 2 for architectures with batch
                normalisation, which cannot be trained on one point, and 1 for others.
        """
        recipe = self.recipe if augment else replace(self.recipe, crop=0, flip=False, cutout=0)
        recipe = replace(recipe, batch_size=batch_size or recipe.batch_size)
        if min_points is None:
            min_points = 2 if self.normalises_batches else 1
        among = ids if among is None else among
        for batch in minibatches(self.data, ids, recipe, Epoch(seed, epoch), among, min_points):
            yield batch
            self.progress.advance(len(batch.labels))

    def fine_tuning_batches(
        self, retain_ids: np.ndarray, seed: int, epoch: int, batch_size: int | None = None
    ) -> Iterator[Batch]:
        """The minibatches of one epoch of fine-tuning on what is left, the same for all methods.

        All points of the data set are cut into minibatches, and those that are left are kept: so
        methods that fine-tune are compared on the same minibatches.

        Args:
            retain_ids: The points that are left.
            seed: That of the member.
            epoch: Counts from 0.
            batch_size: Points of a minibatch; None takes that of the recipe.
        """
        order = seeding.derive(seed, "finetune")
        return self.minibatches(retain_ids, order, epoch, batch_size=batch_size, among=self.cut_ids)

    def optimizer(
        self,
        model: nn.Module,
        *,
        lr: float,
        only: Collection[str] | None = None,
        mask: Mapping[str, torch.Tensor] | None = None,
        clip: float | None = None,
        steps: int | None = None,
        **recipe: Any,
    ) -> Optimizer:
        """An optimiser of `model`, with the momentum and weight decay of the recipe.

        Args:
            model: The network.
            lr: The learning rate; the largest where `schedule` is given.
            only: Names of the parameters that are trained; all others are frozen.
            mask: By parameter, a boolean tensor of its shape: where it is False the coordinate
                stays as it is, to the bit, under momentum and weight decay.
            clip: The largest norm of a gradient, weight decay left out; longer ones are shortened.
            steps: Length of the schedule in minibatches; needed with a `schedule`.
            **recipe: Other values for fields of the recipe, such as `momentum=0.0`.

        Raises:
            ValueError: A schedule without `steps`, or a parameter that the model does not have.
        """
        recipe = replace(self.recipe, **(SIMPLE_RECIPE | recipe), lr=lr)
        if recipe.schedule != "constant" and steps is None:
            raise ValueError(f"schedule: {recipe.schedule} needs the number of steps")
        return Optimizer(
            model,
            recipe,
            self.machine,
            meter=self.meter,
            only=only,
            mask=mask,
            clip=clip,
            steps=steps,
        )

    @cached_property
    def normalises_batches(self) -> bool:
        """Whether networks of the architecture have batch normalisation."""
        with torch.random.fork_rng(devices=[]):
            return has_batch_statistics(self.architecture.build(self.data.shape, self.data.classes))


def index_of(ids: np.ndarray) -> torch.Tensor:
    """Ids as an index tensor."""
    return torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
