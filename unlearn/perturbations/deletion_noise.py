"""Noise on the images that a request deletes, made with the model that was trained on them.

References:
    Huang et al., "Unlearnable examples: making personal data unexploitable", ICLR 2021.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from unlearn.core import seeding
from unlearn.perturbations import search
from unlearn.training.task import Task, index_of


@dataclass(frozen=True)
class DeletionNoise:
    """What noise is made, and how large it may be."""

    kind: str
    """`error_minimizing`, `error_maximizing`, `random` for signs, or `none`."""
    epsilon: float
    """The largest change of a pixel, as a share of its range."""
    step: float | None
    """A step of a search in the unit of epsilon; None is a tenth of it."""
    steps: int
    """The steps of a search."""

    def of(self, task: Task, model: nn.Module, ids: np.ndarray, seed: int) -> np.ndarray:
        """Noise for the training images of some points.

        Args:
            task: Data, machine and meter.
            model: The trained model in evaluation mode; does not change.
            ids: The points.
            seed: Decides random signs.

        Returns:
            int8, ids x H x W x C, in whole steps of the pixels.
        """
        data = task.data
        ball = search.ball(task, self.epsilon, self.step)
        pixels = data.train_images[index_of(ids).to(data.train_images.device)]
        noise = torch.zeros(pixels.shape, device=pixels.device)
        if self.kind == "random":
            signs = search.random_signs(ids, data.shape, seeding.derive(seed, "signs"))
            noise += ball.radius * torch.from_numpy(signs).to(noise.device)
        elif self.kind != "none" and len(ids):
            uphill = self.kind == "error_maximizing"
            labels = data.labels(ids)
            search.follow(task, model, pixels, labels, noise, ball, self.steps, uphill=uphill)
        return search.rounded(pixels, noise, ball.radius, data.levels)
