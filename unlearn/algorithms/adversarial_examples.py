"""Adversarial examples next to training points: the search, and minibatches that hold them.

References:
    Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards deep learning models resistant to adversarial
    attacks", ICLR 2018.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.charged_gradients import MAX_BATCH_POINTS
from unlearn.core import seeding
from unlearn.training.data import Data
from unlearn.training.minibatches import Batch
from unlearn.training.task import Task

STEPS_PER_RADIUS = 10
"""Steps of the search that are together as long as the radius."""

MIN_NORM = 1e-30
"""What shorter gradients are divided by: the point hardly moves."""


@dataclass(frozen=True)
class Examples:
    """Images next to training points, with the labels that a network gives them."""

    images: torch.Tensor
    """N x C x H x W, normalised."""
    labels: torch.Tensor
    """N."""
    ids: np.ndarray
    """The training points, N, in the order of the search."""

    def mixed(
        self, batches: Iterator[Batch], places: int, seed: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images and labels of minibatches, each with its share of the examples.

        The examples come in a random order. A minibatch that is left out leaves its share to the
        next one.

        Args:
            batches: Those of one epoch, in the order of their places.
            places: The number of places; minibatches that are left out count.
            seed: Decides the order.
        """
        order = seeding.shuffled(np.arange(len(self.ids)), seed)
        start = 0
        for batch in batches:
            end = len(order) * (batch.index + 1) // places
            rows = torch.from_numpy(order[start:end]).to(self.labels.device)
            start = end
            yield (
                torch.cat([batch.images, self.images[rows]]),
                torch.cat([batch.labels, self.labels[rows]]),
            )


@dataclass(frozen=True)
class NearestExampleSearch:
    """Projected gradient ascent in L2 balls around a point, whose radius doubles.

    Every ball is searched from its centre. A step goes along the gradient of the log-odds against
    the label: it has the direction of that of the cross-entropy, and does not vanish where the
    network is sure. The first image that the network takes for another class is the example.
    Distances are those of pixels between 0 and 1.
    """

    radius: float
    """That of the first ball."""
    doublings: int
    """How often the radius doubles, at most."""
    steps: int
    """Gradients in a ball, at most."""

    def examples(self, task: Task, model: nn.Module, ids: np.ndarray) -> Examples:
        """The examples of those points that have one; the work is charged.

        Args:
            task: The points, and the meter.
            model: A network of `Task.bare_model`, in evaluation mode.
            ids: The points.
        """
        parts = []
        for start in range(0, max(1, len(ids)), MAX_BATCH_POINTS):
            chunk = ids[start : start + MAX_BATCH_POINTS]
            pixels = unit_pixels(task.data.images(chunk), task.data)
            labels = task.data.labels(chunk)
            moved, predicted = pixels.clone(), labels.clone()
            for doubling in range(self.doublings + 1):
                rows = (predicted == labels).nonzero()[:, 0]
                if len(rows):
                    radius = self.radius * 2**doubling
                    ball = self._search_ball(task, model, pixels[rows], labels[rows], radius)
                    moved[rows], predicted[rows] = ball
            is_flipped = predicted != labels
            images = model_images(moved[is_flipped], task.data)
            parts.append((images, predicted[is_flipped], chunk[is_flipped.cpu().numpy()]))
        images, labels, found_ids = zip(*parts, strict=True)
        return Examples(torch.cat(images), torch.cat(labels), np.concatenate(found_ids))

    def _search_ball(
        self,
        task: Task,
        model: nn.Module,
        centres: torch.Tensor,
        labels: torch.Tensor,
        radius: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The pixels where the search ends, and the classes there: the label where none is found.

        Args:
            task: The meter, and how pixels are normalised.
            model: The network.
            centres: Pixels between 0 and 1, N x C x H x W.
            labels: N.
            radius: How far pixels move, at most.
        """
        moved, predicted = centres.clone(), labels.clone()
        rows = torch.arange(len(labels), device=labels.device)
        for _ in range(self.steps):
            images = model_images(moved[rows], task.data)
            directions, predicted[rows] = ascent(model, images, labels[rows])
            task.meter.input_gradients(model, images, len(images))
            is_left = predicted[rows] == labels[rows]
            rows = rows[is_left]
            if not len(rows):
                return moved, predicted
            steps = directions[is_left] * task.data.levels * task.data.scale
            steps *= radius / STEPS_PER_RADIUS / norms(steps)
            moved[rows] = projected(moved[rows] + steps, centres[rows], radius)
        images = model_images(moved[rows], task.data)
        with torch.no_grad():
            predicted[rows] = model(images).argmax(1)
        task.meter.forwards(model, images)
        return moved, predicted


def ascent(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of the log-odds against the labels, by image, and the predicted classes."""
    variables = images.detach().requires_grad_(True)
    logits = model(variables)
    label_logits = logits.gather(1, labels[:, None])[:, 0]
    other_logits = logits.scatter(1, labels[:, None], -torch.inf)
    odds = other_logits.logsumexp(1) - label_logits
    (gradients,) = torch.autograd.grad(odds.sum(), variables)
    return gradients, logits.argmax(1)


def projected(pixels: torch.Tensor, centres: torch.Tensor, radius: float) -> torch.Tensor:
    """The pixels, N x C x H x W, moved into balls around centres, and between 0 and 1."""
    offsets = pixels - centres
    offsets = offsets * (radius / norms(offsets)).clamp(max=1)
    return (centres + offsets).clamp(0, 1)


def norms(values: torch.Tensor) -> torch.Tensor:
    """The L2 norm of every row, `MIN_NORM` at least, to broadcast over N x C x H x W."""
    return values.flatten(1).norm(dim=1).clamp(min=MIN_NORM)[:, None, None, None]


def unit_pixels(images: torch.Tensor, data: Data) -> torch.Tensor:
    """Pixels between 0 and 1 of normalised images, N x C x H x W."""
    return ((images + data.shift) / (data.levels * data.scale)).clamp(0, 1)


def model_images(pixels: torch.Tensor, data: Data) -> torch.Tensor:
    """Pixels between 0 and 1 as models see them: normalised, N x C x H x W."""
    return pixels * (data.levels * data.scale) - data.shift
