"""Gradients of the mean loss of chosen points, charged to the meter."""

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.losses import cross_entropy
from unlearn.training.task import Task

CHUNK_POINTS = 250
"""Images that go through the network at a time."""


def mean_gradient(task: Task, model: nn.Module, ids: np.ndarray) -> dict[str, torch.Tensor]:
    """The gradient of the mean cross-entropy of training points, by name of the parameter.

    Images are as they are, without augmentation. The model is in evaluation mode meanwhile, so
    the result does not depend on how the points are grouped.

    Args:
        task: Data and meter, which is charged one gradient a point.
        model: A model of the task; parameters that are frozen have no gradient.
        ids: The points, at least one.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    modes = {module: module.training for module in model.modules()}
    model.eval()
    with task.meter.by_hand():
        for start in range(0, len(ids), CHUNK_POINTS):
            chunk_ids = ids[start : start + CHUNK_POINTS]
            images = task.data.images(chunk_ids)
            task.meter.gradients(model, images)
            loss = cross_entropy(model(images), task.data.labels(chunk_ids))
            loss = loss * (len(chunk_ids) / len(ids))
            gradients = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
            for name, gradient in zip(named, gradients, strict=True):
                total[name] += gradient
    for module, mode in modes.items():
        module.training = mode
    return total
