"""The training loop on the mean cross-entropy: seeded by point, device- and precision-aware.

The order of an epoch is a random order of *all* points of the data set, cut into minibatches; a
point that is not trained on is dropped from its minibatch and nothing else moves. So a model that
is retrained without some points sees the same initial weights, the same minibatches less those
points, the same augmentation of every point and the same learning rates: the original and the
retrained model differ by the deleted points only (with mixup by their neighbours, too).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.core import seeding
from unlearn.models.layers import has_batch_statistics
from unlearn.training.adversarial import Adversary
from unlearn.training.augmentation import Epoch, mix
from unlearn.training.data import normalised
from unlearn.training.minibatches import minibatches
from unlearn.training.optimizers import Optimizer, OptimizerState
from unlearn.training.recipe import Recipe
from unlearn.training.stack_optimizer import StackOptimizer, takes_stack_steps
from unlearn.training.task import Task

EVALUATED_POINTS = 250
"""Images predicted at a time: keeps resnet18 below a gigabyte."""

Minibatch = tuple[int, np.ndarray, torch.Tensor, torch.Tensor]
"""Step, ids, images and labels; with mixup the labels are distributions."""


class Moment(NamedTuple):
    """The moment before a step of a training, or after the last one."""

    optimizer: Optimizer
    """That of the model, whose weights are those of the moment."""
    ids: np.ndarray
    """The points of the minibatch of the step; none after the last step."""


def fit(
    task: Task,
    model: nn.Module,
    ids: np.ndarray,
    recipe: Recipe,
    seed: int,
    *,
    among: np.ndarray | None = None,
    steps: int | None = None,
    state: OptimizerState | None = None,
    label: str = "training",
) -> dict[str, torch.Tensor]:
    """Train `model` in place on the mean cross-entropy of the points `ids`.

    The model is trained in the mode it is in: `model.eval()` before freezes the statistics of
    batch normalisation, `train` leaves out minibatches of one point for it. A stack of linear
    layers takes a fast path where nothing else could be asked of it.

    Args:
        task: Data, machine and meter.
        model: The network.
        ids: The points that are trained on.
        recipe: How.
        seed: Decides order, augmentation and mixup.
        among: The points whose order is cut into minibatches, by default those of
            `task.ordered_ids`, or every point of the data set; `ids` must be part of it. An emptied
            minibatch keeps its place in the schedule.
        steps: Minibatches of the whole schedule, by default those of the recipe's epochs.
        state: Continues what an earlier call returned.
        label: What the progress report calls this.

    Returns:
        The state of the optimiser.

    Raises:
        ValueError: A batch size that the model cannot be trained with.
    """
    for moment in moments(
        task, model, ids, recipe, seed, among=among, steps=steps, state=state, label=label
    ):
        optimizer = moment.optimizer
    return optimizer.state()


def moments(
    task: Task,
    model: nn.Module,
    ids: np.ndarray,
    recipe: Recipe,
    seed: int,
    *,
    among: np.ndarray | None = None,
    steps: int | None = None,
    state: OptimizerState | None = None,
    label: str = "training",
) -> Iterator[Moment]:
    """The moments of the training that `fit` makes: before every step, and after the last one.

    The model is trained while they are taken; see `fit` for the arguments.
    """
    if among is None:
        among = task.cut_ids
    among = np.asarray(among)
    if recipe.batch_size < _min_points(model):
        raise ValueError(
            "batch_size: 1 cannot train a model with batch normalisation; allowed: 2 .."
        )
    if steps is None:
        steps = recipe.epochs * math.ceil(len(among) / recipe.batch_size)
    schedule = _Schedule(task, ids, recipe, seed, among, steps)
    task.progress.begin(steps, label)
    fast = takes_stack_steps(model, recipe, task.machine)
    kind = StackOptimizer if fast else Optimizer
    work = _Work(task, model, recipe.adversarial)
    adversary = Adversary(task.data, task.machine, recipe)
    with (
        task.meter.by_hand(),
        work,
        kind(model, recipe, task.machine, meter=task.meter, steps=steps, state=state) as optimizer,
    ):
        for step, batch_ids, images, labels in schedule.minibatches(_min_points(model)):
            yield Moment(optimizer, batch_ids)
            work.add(images)
            if fast:
                optimizer.fit_batch(images, labels, step)
            else:
                is_moved = recipe.adversarial > 0
                inputs = adversary.images(model, images, labels) if is_moved else images
                with task.machine.autocast():
                    logits = model(inputs).float()
                    loss = functional.cross_entropy(
                        logits, labels, label_smoothing=recipe.label_smoothing
                    )
                optimizer.descend(loss, step)
            task.progress.advance(labels.shape[0])
        yield Moment(optimizer, ids[:0])


class _Work:
    """Counts the samples of a training and charges them at its end.

    `ascent_steps`: gradients to the images before every step.
    """

    def __init__(self, task: Task, model: nn.Module, ascent_steps: int):
        self.task = task
        self.model = model
        self.ascent_steps = ascent_steps
        self.samples = 0
        self.steps = 0
        self.example: torch.Tensor | None = None

    def add(self, images: torch.Tensor) -> None:
        """One more minibatch."""
        if self.example is None:
            self.example = images[:1]
        self.samples += images.shape[0]
        self.steps += 1

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        if self.example is not None:
            meter = self.task.meter
            meter.gradients(self.model, self.example, self.samples)
            meter.input_gradients(self.model, self.example, self.ascent_steps * self.samples)
            meter.optimizer_steps += self.steps


def _min_points(model: nn.Module) -> int:
    """The least points of a minibatch that the model can be trained on, in its present mode."""
    return 2 if has_batch_statistics(model) else 1


@dataclass(frozen=True)
class _Schedule:
    """The minibatches of a training; see `fit` for the fields."""

    task: Task
    ids: np.ndarray
    recipe: Recipe
    seed: int
    among: np.ndarray
    steps: int

    def minibatches(self, min_points: int) -> Iterator[Minibatch]:
        """The minibatches of all epochs, with their place; smaller ones are left out."""
        data = self.task.data
        recipe = self.recipe
        batches = math.ceil(len(self.among) / recipe.batch_size)
        for index in range(math.ceil(self.steps / batches) if batches else 0):
            first = index * batches
            epoch = Epoch(self.seed, index)
            limit = self.steps - first
            for batch in minibatches(data, self.ids, recipe, epoch, self.among, min_points, limit):
                step = first + batch.index
                if recipe.mixup:
                    key = seeding.derive(epoch.seed, "mixup", step)
                    mixed = mix(batch.images, batch.labels, recipe.mixup, data.classes, key)
                    yield step, batch.ids, *mixed
                else:
                    yield step, batch.ids, batch.images, batch.labels


def predict(task: Task, model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Logits N x classes, float32, on the CPU: evaluation mode, no augmentation, float32.

    The work is not charged.
    """
    mode = model.training
    model.eval()
    logits = []
    with torch.inference_mode(), task.meter.by_hand():
        for chunk in pixels.split(EVALUATED_POINTS):
            logits.append(model(normalised(chunk, task.data)).float().cpu())
    model.train(mode)
    return torch.cat(logits)
