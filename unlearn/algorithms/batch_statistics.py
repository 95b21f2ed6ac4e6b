"""Statistics of batch normalisation, estimated again."""

import numpy as np
import torch
from torch import nn

from unlearn.models.layers import batch_normalisations
from unlearn.training.task import Task


def estimate_again(task: Task, model: nn.Module, ids: np.ndarray, seed: int) -> None:
    """Replace the statistics of a network by means over one pass of minibatches of `ids`.

    Every minibatch is weighted by its points. Without batch normalisation there is no pass; where
    no minibatch has two points nothing changes. The network is in training mode afterwards.

    Args:
        task: Makes the minibatches, augmented as in training.
        model: The network, whose weights do not change.
        ids: The points.
        seed: Decides the minibatches.
    """
    layers = batch_normalisations(model)
    momenta = [layer.momentum for layer in layers]
    model.train()
    point_count = 0
    with torch.no_grad():
        for batch in task.minibatches(ids, seed) if layers else ():
            point_count += len(batch.labels)
            for layer in layers:
                layer.momentum = len(batch.labels) / point_count  # the mean of all points
            model(batch.images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
