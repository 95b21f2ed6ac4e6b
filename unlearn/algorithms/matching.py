"""Regression of a model on outputs that it should have: on changed points and on retained ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.losses import Distance
from unlearn.core import seeding
from unlearn.training.task import Task

TargetLogits = Callable[[torch.Tensor], torch.Tensor]
"""The logits N x C that a model should have for images."""


class MatchingParameters(Protocol):
    """The hyper-parameters of a method that matches outputs."""

    match: str
    """`kl` or `logits`: see `losses.Distance`."""
    lr: float
    epochs: int
    """Passes over the changed points."""
    batch_size: int | None
    """Points of a minibatch; None takes that of the recipe."""
    draw: float
    """Retained points that are drawn in every epoch, for each changed one."""


@dataclass(frozen=True)
class MatchedPoints:
    """Changed points, all of which are matched, and retained points to draw from."""

    changed_ids: np.ndarray
    retain_ids: np.ndarray

    def epoch(self, draw: float, seed: int) -> np.ndarray:
        """The sorted ids of an epoch: the changed ones, and a draw of retained ones.

        Args:
            draw: Retained points for each changed one; there may be fewer.
            seed: Decides the draw.
        """
        rest_ids = np.setdiff1d(self.retain_ids, self.changed_ids)
        count = round(draw * len(self.changed_ids))
        return np.union1d(self.changed_ids, seeding.shuffled(rest_ids, seed)[:count])


def match_outputs(
    method: MatchingParameters,
    task: Task,
    model: nn.Module,
    points: MatchedPoints,
    target_logits: TargetLogits,
    seed: int,
) -> None:
    """Train a model in place, by Adam, on the distance to target logits.

    Batch normalisation is frozen, and images are not augmented: targets are of images as they are.

    Args:
        method: The hyper-parameters.
        task: Data, machine and meter.
        model: The network.
        points: The points that are matched.
        target_logits: What the logits should be.
        seed: That of the member.
    """
    model.eval()
    distance = Distance(method.match, 1.0)
    optimizer = task.optimizer(model, lr=method.lr, optimizer="adam", weight_decay=0.0)
    for epoch in range(method.epochs):
        ids = points.epoch(method.draw, seeding.derive(seed, "matched points", epoch))
        order = seeding.derive(seed, "matching")
        for batch in task.minibatches(
            ids, order, epoch, batch_size=method.batch_size, augment=False, min_points=1
        ):
            target = distance.target(target_logits(batch.images))
            optimizer.step(distance(model(batch.images), target))
