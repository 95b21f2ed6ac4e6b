"""A training whose every update is logged, and subtracted again.

References:
    Graves, Nagisetty, Ganesh, "Amnesiac machine learning", AAAI 2021.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from unlearn.core import seeding
from unlearn.training.loop import moments
from unlearn.training.recipe import Recipe
from unlearn.training.state import State, rows, state_of
from unlearn.training.task import Task

WEIGHTS = "log/weights"
STEPS = "log/steps"


SizeCheck = Callable[[int, int, Recipe], None]
"""Raises ValueError for a log that is too large, of a network of so many trained weights and so
many training points, trained by a recipe."""


def train(check_size: SizeCheck, task: Task, ids: np.ndarray, seed: int) -> State:
    """The model of the standard trainer and its log; see `trainers.amnesiac`.

    Args:
        check_size: Knows the limit of the log.
        task: Data, recipe and meter.
        ids: The training set.
        seed: Decides initial weights and minibatches.

    Raises:
        ValueError: The log would be too large.
    """
    model = task.new_model(seeding.derive(seed, "initial weights"), ids)
    trained = _trained(model)
    weights = sum(parameter.numel() for parameter in trained.values())
    points = len(task.data.train_labels)
    check_size(weights, points, task.recipe)
    steps = np.full((task.recipe.epochs, points), -1, dtype=np.int32)
    epochs = np.zeros(points, dtype=int)
    vectors = []
    for moment in moments(task, model, ids, task.recipe, seeding.derive(seed, "training")):
        steps[epochs[moment.ids], moment.ids] = len(vectors)
        epochs[moment.ids] += 1
        vectors.append(_vector(trained))
    return state_of(model) | {WEIGHTS: torch.stack(vectors), STEPS: torch.from_numpy(steps)}


def touched_steps(state: State, ids: np.ndarray) -> np.ndarray:
    """The sorted steps whose minibatch had one of the points `ids`, of those that were logged."""
    steps = np.unique(np.asarray(state[STEPS])[:, ids])
    return steps[steps >= 0]


def step_count(state: State) -> int:
    """The number of steps that were logged."""
    return rows(state, WEIGHTS).shape[0] - 1


def subtract(model: nn.Module, state: State, steps: np.ndarray) -> None:
    """Give a network the trained weights less the updates of some steps; sums are in float64.

    Args:
        model: The network; its trained weights change in place, and nothing else.
        state: The log, and the model after the last step.
        steps: Sorted steps.
    """
    log = rows(state, WEIGHTS)
    vector = np.asarray(log[-1]).astype(np.float64)
    for first, last in _runs(steps):
        vector -= np.asarray(log[last + 1]).astype(np.float64) - np.asarray(log[first])
    parts = torch.from_numpy(vector)
    with torch.no_grad():
        for parameter in _trained(model).values():
            part, parts = parts[: parameter.numel()], parts[parameter.numel() :]
            parameter.copy_(part.view(parameter.shape))


def _trained(model: nn.Module) -> Mapping[str, nn.Parameter]:
    """The parameters of a network that are trained."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _vector(parameters: Mapping[str, nn.Parameter]) -> torch.Tensor:
    """A copy of all weights in a row, float32 on the CPU."""
    return torch.cat([p.detach().reshape(-1) for p in parameters.values()]).cpu()


def _runs(steps: np.ndarray) -> list[tuple[int, int]]:
    """First and last of every run of consecutive steps, whose updates add up without rounding."""
    breaks = np.flatnonzero(np.diff(steps) > 1)
    firsts = steps[np.append(0, breaks + 1)] if len(steps) else steps
    lasts = steps[np.append(breaks, len(steps) - 1)] if len(steps) else steps
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
