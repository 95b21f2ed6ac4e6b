"""What the removal of points does to a minimum of the loss, to first order."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.charged_gradients import mean_gradient, point_gradients
from unlearn.algorithms.influence.gram import damped_solution
from unlearn.algorithms.influence.limits import memory_problem
from unlearn.algorithms.per_sample_gradients import Loss
from unlearn.core import seeding
from unlearn.training.meter import FlopCounter
from unlearn.training.task import Task

Gradient = dict[str, torch.Tensor]
"""One part for every parameter, by name, float64."""


@dataclass(frozen=True)
class DrawnFisher:
    """The damped empirical Fisher matrix of some retained points."""

    points: int
    """At most so many."""
    damping: float
    seed: int
    """Of the draw of the points."""


@dataclass(frozen=True)
class Influence:
    """The influence of deleted points on a model."""

    change: Gradient
    """(lambda I + F)^-1 v, with v = |D_f| / n (g_f - g_r)."""
    nonstationarity: float
    """The norm of the gradient that training left, with its weight decay, in units of |v|.

    At a minimum it is 0, and v is minus the gradient over what is left. Elsewhere v neglects it.
    """


def influence(
    task: Task,
    model: nn.Module,
    parts: tuple[np.ndarray, np.ndarray],
    curvature: DrawnFisher,
    loss: Loss,
) -> Influence:
    """The influence of points on a model, charged to the meter.

    Args:
        task: Its points, weight decay and meter.
        model: A network of `Task.bare_model`, in evaluation mode.
        parts: The ids of the deleted and of the retained points.
        curvature: F and lambda.
        loss: That of training, a mean over points.

    Raises:
        ValueError: No point is left, or too many gradients for the memory.
    """
    deleted_ids, retain_ids = parts
    draw = seeding.shuffled(retain_ids, curvature.seed)[: curvature.points]
    problem = memory_problem(sum(p.numel() for p in model.parameters()), len(draw))
    if problem:
        raise ValueError(problem)
    retain = mean_gradient(task, model, retain_ids, loss)
    forget = mean_gradient(task, model, deleted_ids, loss)
    share = len(deleted_ids) / (len(deleted_ids) + len(retain_ids))
    direction = removal_direction(_flat(forget), _flat(retain), share)
    parameters = dict(model.named_parameters())
    weights = _flat({name: parameters[name].detach().double() for name in retain})
    gradient = share * _flat(forget) + (1 - share) * _flat(retain)
    neglected = (gradient + task.recipe.weight_decay * weights).norm()
    rows = torch.cat(
        [
            torch.cat([gradients.rows() for gradients in by_name.values()], 1)
            for by_name in point_gradients(task, model, draw, loss)
        ]
    )
    with FlopCounter() as counter:
        solution = damped_solution(rows, direction, curvature.damping)
    task.meter.flops += counter.flops
    sizes = [part.numel() for part in retain.values()]
    change = {
        name: part.view(parameters[name].shape)
        for name, part in zip(retain, solution.split(sizes), strict=True)
    }
    return Influence(change, float(neglected / direction.norm()))


def removal_direction(forget: torch.Tensor, retain: torch.Tensor, share: float) -> torch.Tensor:
    """v = share (g_f - g_r), with the deleted points' share of the training set.

    Where training ended at a minimum, v is minus the gradient over what is left, whatever the
    weight decay: (H_r)^-1 v is then Newton's step towards the minimum without the deleted points.
    """
    return share * (forget - retain)


def _flat(gradient: Gradient) -> torch.Tensor:
    """The parts of a gradient, one after the other."""
    return torch.cat([part.flatten() for part in gradient.values()])
