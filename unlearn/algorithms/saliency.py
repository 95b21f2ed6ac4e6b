"""Saliency: the weights that the loss of the deleted points depends on most."""

import numpy as np
import torch

from unlearn.algorithms.charged_gradients import mean_gradient
from unlearn.algorithms.losses import cross_entropy
from unlearn.training.state import State
from unlearn.training.task import Task


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
    means = mean_gradient(task, model, ids, cross_entropy)
    return {name: gradient * len(ids) for name, gradient in means.items()}


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
