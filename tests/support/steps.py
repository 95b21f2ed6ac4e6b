"""Steps of gradient descent by autograd alone, to compare methods with."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from unlearn.training.task import Task

State = dict[str, np.ndarray]


def gradient(
    task: Task, state: Mapping, ids: np.ndarray, labels: np.ndarray | None = None
) -> State:
    """The gradient of the mean cross-entropy over points, in evaluation mode, by parameter.

    `labels` take the place of the true ones.
    """
    model = task.bare_model(state).eval()
    true_labels = task.data.labels(ids)
    chosen = true_labels if labels is None else torch.as_tensor(labels, device=true_labels.device)
    loss = nn.functional.cross_entropy(model(task.data.images(ids)), chosen)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, list(named.values()))
    return {name: g.cpu().numpy() for name, g in zip(named, gradients, strict=True)}


def descent(state: Mapping, changes: Mapping, rate: float) -> State:
    """The state less `rate` times a change of each of its tensors that has one."""
    return {
        name: np.asarray(state[name]) - rate * changes[name]
        if name in changes
        else np.asarray(state[name])
        for name in state
    }
