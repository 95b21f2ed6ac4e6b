"""Noise without any aim: the control of all others."""

import numpy as np
import torch

from unlearn.perturbations import search
from unlearn.training.task import Task, points

CHECK = "unlearn.perturbations.limits"


class RandomNoise:
    """Plus or minus epsilon with equal chance at every pixel, or uniform in between."""

    def __init__(self, *, epsilon: float, class_wise: bool, uniform: bool, seed: int):
        self.epsilon = epsilon
        self.class_wise = class_wise
        self.uniform = uniform
        self.seed = seed

    def make(self, task: Task, ids: np.ndarray) -> tuple[np.ndarray, dict]:
        """Noise, drawn for every id (or class), whatever other points there are."""
        data, radius = task.data, self.epsilon * task.data.levels
        keys = data.train_labels[points(ids)].cpu().numpy() if self.class_wise else ids
        drawn = search.drawn(keys, data.shape, self.seed)
        pixels = data.train_images[points(ids)]
        own = torch.from_numpy(radius * (drawn if self.uniform else np.sign(drawn)))
        own = own.to(pixels.device)
        found = search.rounded(pixels, own, radius, data.levels)
        return found, {"converged": True, "error": None, "rounds": 0}
