"""Saliency: the weights that the loss of the deleted points depends on most."""

import numpy as np
import torch
from torch.nn import functional

from unlearn.training.state import State
from unlearn.training.task import Task

CHUNK_POINTS = 250
"""Points that go forward and backward at a time."""


def gradient_sums(task: Task, state: State, ids: np.ndarray) -> dict[str, torch.Tensor]:
    """The gradient of the cross-entropy, summed over points, by trainable parameter.

    The model is in evaluation mode and points are not augmented. A sum over points does not depend
    on how they are cut into minibatches. The work is charged.

    Args:
        task: Data, architecture and meter.
        state: The model.
        ids: The points.
    """
    model = task.bare_model(state).eval()
    model.zero_grad()
    for start in range(0, len(ids), CHUNK_POINTS):
        chunk_ids = ids[start : start + CHUNK_POINTS]
        images = task.data.images(chunk_ids)
        labels = task.data.labels(chunk_ids)
        functional.cross_entropy(model(images).float(), labels, reduction="sum").backward()
        task.meter.gradients(model, images)
    sums = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            sums[name] = torch.zeros_like(parameter) if gradient is None else gradient
    return sums


def masks(sums: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Where the weights are whose gradients are the largest, by name: boolean, of their shapes.

    The ranking of absolute values is one over all tensors. Of weights with the same value the first
    ones count as larger, so that the number of weights is round(share x weights) to the weight.

    Args:
        sums: A gradient for every tensor of weights.
        share: Of the weights, 0 to 1.
    """
    values = torch.cat([gradient.detach().abs().flatten() for gradient in sums.values()])
    ranking = torch.argsort(values, descending=True, stable=True)
    is_salient = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    is_salient[ranking[: round(share * len(values))]] = True
    parts = is_salient.split([gradient.numel() for gradient in sums.values()])
    return {
        name: part.view(gradient.shape)
        for part, (name, gradient) in zip(parts, sums.items(), strict=True)
    }
