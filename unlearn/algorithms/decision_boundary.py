"""Labels next to a decision boundary, and networks with one more class."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.algorithms.charged_gradients import MAX_BATCH_POINTS, chunks
from unlearn.training.data import Data
from unlearn.training.task import Task


def adversarial_images(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, data: Data, bound: float
) -> torch.Tensor:
    """One step of the fast gradient sign method: every pixel moves by `bound` up the loss.

    Args:
        model: A network in evaluation mode.
        images: Normalised images N x C x H x W.
        labels: Those whose loss is raised, N.
        data: How pixels were normalised; they stay between 0 and 1.
        bound: In units of the range of pixels, which is 1.
    """
    variables = images.detach().requires_grad_(True)
    loss = functional.cross_entropy(model(variables), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, variables)
    unit = data.levels * data.scale
    moved = images + bound * unit * gradient.sign()
    return torch.maximum(torch.minimum(moved, unit - data.shift), -data.shift)


def neighbour_labels(task: Task, model: nn.Module, ids: np.ndarray, bound: float) -> torch.Tensor:
    """What a network takes the adversarial images of points for; charged to the meter.

    Args:
        task: The points, and the meter.
        model: A network of `Task.bare_model`, in evaluation mode.
        ids: The points.
        bound: How far pixels move, see `adversarial_images`.
    """
    neighbours = []
    for images, labels in chunks(task, ids, MAX_BATCH_POINTS):
        moved = adversarial_images(model, images, labels, task.data, bound)
        task.meter.input_gradients(model, images, len(images))
        with torch.no_grad():
            neighbours.append(model(moved).argmax(1))
        task.meter.forwards(model, moved)
    return torch.cat(neighbours)


def widen_head(model: nn.Module, classes: int, seed: int) -> str:
    """Give the last linear layer of a network one more row, in place; the name of the layer.

    The other rows stay. The new one is drawn as torch draws initial weights.

    Raises:
        ValueError: The network does not end in a linear layer with a row for each class.
    """
    layers = [(name, m) for name, m in model.named_modules() if not list(m.children())]
    name, head = layers[-1]
    if not isinstance(head, nn.Linear) or head.out_features != classes:
        raise ValueError("the network does not end in a linear layer with a row for each class")
    generator = torch.Generator().manual_seed(seed)
    for parameter_name, parameter in list(head.named_parameters()):
        row = torch.empty((1, *parameter.shape[1:]))
        limit = 1 / math.sqrt(head.in_features)
        row.uniform_(-limit, limit, generator=generator)
        wide = torch.cat([parameter.detach(), row.to(parameter.device)])
        setattr(head, parameter_name, nn.Parameter(wide))
    head.out_features = classes + 1
    return name


def narrow_head(model: nn.Module, name: str, classes: int) -> None:
    """Drop the rows beyond `classes` of a linear layer, in place."""
    head = model.get_submodule(name)
    for parameter_name, parameter in list(head.named_parameters()):
        setattr(head, parameter_name, nn.Parameter(parameter.detach()[:classes].clone()))
    head.out_features = classes
