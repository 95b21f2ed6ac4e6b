"""Accuracies that a method steers by, charged as work."""

import numpy as np
import torch
from torch import nn

from unlearn.requests.request import Step
from unlearn.training.data import normalised
from unlearn.training.loop import predict
from unlearn.training.task import Task


def charged_accuracy(
    task: Task, model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor
) -> float:
    """The share of points that a network gets right; the forward passes are charged.

    Args:
        task: Machine and meter.
        model: The network, evaluated; its mode does not change.
        pixels: uint8 images N x H x W x C, one at least.
        labels: N.
    """
    task.meter.forwards(model, normalised(pixels[:1], task.data), len(pixels))
    classes = predict(task, model, pixels).argmax(1)
    return float((classes == labels.cpu()).double().mean())


def unseen_accuracy(task: Task, model: nn.Module, request: Step) -> float:
    """The accuracy that a retrained model would have on the deleted points, roughly.

    That of the model on the validation split; 0 where none of the deleted points' classes is left.
    """
    deleted_labels = task.data.labels(request.deleted_ids).cpu().numpy()
    if not np.isin(deleted_labels, task.data.labels(request.retain_ids).cpu().numpy()).any():
        return 0.0
    validation = (task.data.validation_images, task.data.validation_labels)
    return charged_accuracy(task, model, *validation)
