"""Gradients of many points, a few at a time, charged to the meter of a task.

The network is one of `Task.bare_model`, in evaluation mode: it then treats each point by itself.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from unlearn.algorithms import per_sample_gradients
from unlearn.algorithms.per_sample_gradients import Loss, Outer, Rows
from unlearn.training.task import Task

MAX_CHUNK_POINTS = 64
"""Points whose gradients are held at a time, at most."""

MAX_HELD_NUMBERS = 2**24
"""Numbers that the gradients held at a time consist of, at most."""

MAX_BATCH_POINTS = 512
"""Points that go through a network at a time where only the sum of their gradients is kept."""


def point_gradients(
    task: Task, model: nn.Module, ids: np.ndarray, loss: Loss
) -> Iterator[dict[str, Rows | Outer]]:
    """The gradients of single points, chunk by chunk, by name of the weights.

    Args:
        task: Its points, and the meter that is charged.
        model: The network; weights that require no gradient are left out.
        ids: The training points.
        loss: `loss(logits, labels)`, a mean over points.
    """
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    for images, labels in chunks(task, ids, chunk_size(weights)):
        yield per_sample_gradients.gradients(model, images, labels, loss)
        task.meter.gradients(model, images)


def mean_gradient(
    task: Task, model: nn.Module, ids: np.ndarray, loss: Loss
) -> dict[str, torch.Tensor]:
    """The mean gradient over points, float64, by name of the weights; ValueError for no point.

    The arguments are those of `point_gradients`.
    """
    if not len(ids):
        raise ValueError("no point is left whose gradients could be taken")
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in named.items()}
    precision = next(model.parameters()).dtype
    for pixels, labels in chunks(task, ids, MAX_BATCH_POINTS):
        images = pixels.to(precision)
        loss_sum = loss(model(images), labels) * len(labels)
        gradients = torch.autograd.grad(loss_sum, list(named.values()), materialize_grads=True)
        for name, gradient in zip(named, gradients, strict=True):
            total[name] += gradient
        task.meter.gradients(model, images)
    return {name: value / len(ids) for name, value in total.items()}


def chunks(task: Task, ids: np.ndarray, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Normalised images and labels of points, at most `size` at a time."""
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        yield task.data.images(part), task.data.labels(part)


def chunk_size(weights: int) -> int:
    """The points whose gradients to so many weights are held at a time."""
    return max(1, min(MAX_CHUNK_POINTS, MAX_HELD_NUMBERS // max(1, weights)))
