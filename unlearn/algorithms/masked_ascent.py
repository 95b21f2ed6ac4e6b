"""Ascent on the loss of the forget set, with the weights that matter to it and no others."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.algorithms.importance import Importance
from unlearn.training.schedules import learning_rate
from unlearn.training.task import Task

MIN_LOSS = 1e-6
"""A smaller loss weighs as much as this one, in nats."""


def inverse_loss_weights(losses: torch.Tensor, exponent: float) -> torch.Tensor:
    """Weights of sum 1, proportional to loss^-exponent; they carry no gradient. `losses` N."""
    weights = losses.detach().clamp(min=MIN_LOSS) ** -exponent
    return weights / weights.sum()


def forget_mask(forget: Importance, retain: Importance) -> dict[str, torch.Tensor]:
    """Where a weight matters to the forget set as much as to the retain set, or more."""
    return {name: forget[name] >= retain[name] for name in forget}


@dataclass(frozen=True)
class AscentRule:
    """How an ascent is taken."""

    lr: float
    factor: float
    """What its gradient is multiplied by, beside a half cosine that falls from 1 to 0."""
    exponent: float
    """How much more points of low loss weigh."""
    clip: float
    """The largest norm of its gradient."""
    steps: int
    """Length of the schedule."""


class MaskedAscent:
    """Steps of plain SGD up the loss of forgotten points.

    Batch normalisation is frozen during a step. There is neither momentum nor weight decay.
    """

    def __init__(self, task: Task, model: nn.Module, mask: dict, rule: AscentRule):
        """`mask`: by parameter, where it may change; see `forget_mask`."""
        self.task = task
        self.model = model
        self.rule = rule
        self.optimizer = task.optimizer(
            model,
            lr=rule.lr,
            mask=mask,
            clip=rule.clip,
            steps=rule.steps,
            optimizer="sgd",
            schedule="cosine",
            momentum=0.0,
            weight_decay=0.0,
        )

    def step(self, ids: np.ndarray, place: int) -> None:
        """Ascend on a minibatch; `place` is that in the schedule. The model's mode stays."""
        data = self.task.data
        is_training = self.model.training
        self.model.eval()
        losses = functional.cross_entropy(
            self.model(data.images(ids)), data.labels(ids), reduction="none"
        )
        weights = inverse_loss_weights(losses, self.rule.exponent)
        scale = learning_rate("cosine", self.rule.factor, place, self.rule.steps)
        self.optimizer.step(-scale * (weights * losses).sum(), place)
        self.model.train(is_training)
