"""Error-maximising noise: images that a trained model gets wrong. A control."""

import math

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.perturbations import search
from unlearn.training.loop import fit
from unlearn.training.task import Task, points

CHECK = "unlearn.perturbations.limits"


class ErrorMaximizing:
    """Noise that makes the loss of a trained model large (Madry et al. 2018)."""

    def __init__(
        self,
        *,
        model: str,
        size: int | None,
        epsilon: float,
        step: float | None,
        steps: int,
        epochs: int,
        batch_size: int,
        lr: float,
        seed: int,
    ):
        self.model = model
        self.size = size
        self.epsilon = epsilon
        self.step = step
        self.steps = steps
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.seed = seed

    def make(self, task: Task, ids: np.ndarray) -> tuple[np.ndarray, dict]:
        """The noise against a model trained on the points; `error` is the share it gets wrong,
        `source_error` what it got wrong before.

        ValueError if training that model diverges.
        """
        data, how = task.data, search.search(task, self.epsilon, self.step)
        source = task.new_model(seeding.derive(self.seed, "source of noise"))
        recipe = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.lr}
        recipe = task.recipe | recipe | {"schedule": "one_cycle"}
        seed = seeding.derive(self.seed, "training")
        fit(task, source, ids, recipe, seed, clip=math.inf)
        if task.meter.diverged:
            raise ValueError(f"lr: {self.lr} lets the source of the noise diverge; allowed: less")
        source.eval()
        index = points(ids).to(task.machine.device)
        pixels, labels = data.train_images[index], data.train_labels[index]
        own = torch.zeros(pixels.shape, device=pixels.device)
        before = search.wrong(task, source, pixels, labels, own)
        search.follow(task, source, pixels, labels, own, **how, steps=self.steps, uphill=True)
        error = search.wrong(task, source, pixels, labels, own)
        found = search.rounded(pixels, own, how["radius"], data.levels)
        return found, {
            "converged": True,
            "error": error,
            "source_error": before,
            "rounds": 1,
        }
