"""How much single weights matter to a network on some points: means over single points."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.algorithms.charged_gradients import point_gradients
from unlearn.algorithms.per_sample_gradients import Loss, Outer, Rows
from unlearn.training.task import Task

Importance = Mapping[str, torch.Tensor]
"""A value for every weight: float64, by name, in the shape of the parameter."""


def squared_gradients(task: Task, model: nn.Module, ids: np.ndarray) -> Importance:
    """The mean over points of the squared gradient of the cross-entropy at their labels.

    This is the diagonal of the empirical Fisher matrix. Every point is squared by itself, so that
    no size of minibatches matters.
    """
    return _mean(task, model, ids, functional.cross_entropy, _sum_of_squares)


def output_sensitivity(task: Task, model: nn.Module, ids: np.ndarray) -> Importance:
    """The mean over points of the absolute gradient of the squared norm of their logits.

    Labels have no part in it.
    """

    def squared_norm(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return logits.square().sum(1).mean()

    return _mean(task, model, ids, squared_norm, _sum_of_magnitudes)


def expected_squared_gradients(task: Task, model: nn.Module, ids: np.ndarray) -> Importance:
    """The diagonal of the Fisher matrix: squared gradients at labels drawn from the predictions.

    The mean over points of sum_y p(y) (gradient of log p(y))^2: one backward pass for each class.
    """
    total: dict[str, torch.Tensor] = {}
    for label in range(task.data.classes):
        part = _mean(task, model, ids, _predicted_share(label), _sum_of_squares)
        total = {name: total.get(name, 0) + value for name, value in part.items()}
    return total


def dampen(
    model: nn.Module, overall: Importance, forget: Importance, alpha: float, dampening: float
) -> None:
    """Shrink the weights that matter much more to the forget set than to all points.

    Where I_f > alpha I, a weight is multiplied by min(dampening I / I_f, 1).

    Args:
        model: The network, changed in place.
        overall: I, over the points that the model was trained on.
        forget: I_f, over the points that are deleted.
        alpha: How many times more a weight must matter to the forget set.
        dampening: The factor of what is left of a weight.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in forget:
                is_chosen = forget[name] > alpha * overall[name]
                ratio = dampening * overall[name] / forget[name]
                factor = torch.where(is_chosen, ratio.clamp(max=1), 1)
                parameter.mul_(factor.to(parameter.dtype))


def _sum_of_squares(gradients: Rows | Outer) -> torch.Tensor:
    return gradients.sum_of_squares()


def _sum_of_magnitudes(gradients: Rows | Outer) -> torch.Tensor:
    return gradients.sum_of_magnitudes()


def _predicted_share(label: int) -> Loss:
    """The loss whose squared gradient is p(label) times that of the cross-entropy at `label`."""

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        log_probabilities = functional.log_softmax(logits, dim=1)[:, label]
        return -((log_probabilities.detach() / 2).exp() * log_probabilities).mean()

    return loss


def _mean(
    task: Task,
    model: nn.Module,
    ids: np.ndarray,
    loss: Loss,
    reduction: Callable[[Rows | Outer], torch.Tensor],
) -> Importance:
    """The mean over points of what a reduction of their gradients adds up; ValueError for none."""
    if not len(ids):
        raise ValueError("no point is left whose gradients could be taken")
    total: dict[str, torch.Tensor] = {}
    for by_name in point_gradients(task, model, ids, loss):
        for name, gradients in by_name.items():
            total[name] = total.get(name, 0) + reduction(gradients)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    return {name: value.view(shapes[name]) / len(ids) for name, value in total.items()}
