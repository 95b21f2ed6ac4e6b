"""Cross-entropy in which rare classes weigh more."""

import numpy as np
import torch
from torch.nn import functional

from unlearn.training.task import Task


def class_weights(task: Task, ids: np.ndarray, power: float) -> torch.Tensor:
    """For each class (number of its points) ** -power, divided by their mean over the points.

    Args:
        task: Has the labels and the number of classes.
        ids: The points that are counted.
        power: 1 gives all classes the same part in the loss, 0 all points.

    Returns:
        float32, one for each class; 0 for a class without a point.
    """
    counts = torch.bincount(task.data.labels(ids), minlength=task.data.classes).double()
    weights = torch.where(counts > 0, counts.clamp(min=1) ** -power, 0)
    mean = (weights * counts).sum() / counts.sum().clamp(min=1)
    return (weights / mean).float() if mean else weights.float()


def weighted_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """The mean over points of weight x cross-entropy, in nats.

    The losses are weighed before their mean is taken: classes keep their weights in a minibatch.

    Args:
        logits: N x C.
        labels: N.
        weights: Of classes, C.
        label_smoothing: The share of every label that is spread evenly over the classes.
    """
    losses = functional.cross_entropy(
        logits.float(), labels, reduction="none", label_smoothing=label_smoothing
    )
    return (weights[labels] * losses).mean()
