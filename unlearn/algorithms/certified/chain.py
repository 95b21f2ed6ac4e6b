"""Models of a task that descend on all points at once, with noise that is a function of seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unlearn.algorithms.certified import full_batch
from unlearn.algorithms.certified.descent import Noise, Step, descend
from unlearn.algorithms.certified.regression import regression_of
from unlearn.core import seeding
from unlearn.training.task import Task


@dataclass(frozen=True)
class Law:
    """How the models of a trainer descend, in learning and in requests."""

    start_sd: float
    """Standard deviation of the first weights, which are normal with mean 0."""
    sigma: float = 0.0
    """A step has noise of standard deviation sqrt(2 eta) sigma."""
    radius: float | None = None
    """The ball that all weights are projected onto after every step; None for none."""


class Chain:
    """Descent of the models of a task: T = epochs steps of learning, then steps of requests."""

    def __init__(self, task: Task, law: Law):
        """ValueError for an architecture, a recipe or a precision without proved constants."""
        full_batch.check(task.architecture, task.recipe, task.data.classes)
        if task.machine.precision == "bfloat16":
            raise ValueError(
                "precision: bfloat16 is not allowed in certified descent; allowed: float32, beside "
                "which weights are float64"
            )
        self.task = task
        self.law = law
        self.regression = regression_of(task)
        self.step = Step(
            rate=task.recipe.lr,
            weight_decay=task.recipe.weight_decay,
            noise_sd=np.sqrt(2 * task.recipe.lr) * law.sigma,
            radius=law.radius,
        )

    def start(self, seeds: Sequence[int]) -> np.ndarray:
        """The first weights of a model for each seed, K x p."""
        return self.law.start_sd * self.noise(seeds, "initial weights")()

    def noise(self, seeds: Sequence[int], *axes: str | int) -> Noise:
        """Standard normal numbers for each seed, K x p a call; `axes` name the purpose."""
        generators = [np.random.default_rng(seeding.derive(seed, *axes)) for seed in seeds]
        size = self.regression.size
        return lambda: np.stack([generator.standard_normal(size) for generator in generators])

    def run(
        self, weights: np.ndarray, ids: Sequence[np.ndarray], steps: int, noise: Noise
    ) -> np.ndarray:
        """The weights of K models after steps on their points, charged to the meter, K x p.

        Args:
            weights: K x p.
            ids: the training points of each model.
            steps: their number.
            noise: of the steps.

        Raises:
            ValueError: no point is left, or weights are no longer finite.
        """
        shares = self._shares(ids)
        points = sum(map(len, ids))

        def gradient(weights: np.ndarray) -> np.ndarray:
            meter = self.task.meter
            meter.gradients(self.regression.model, self.regression.example, points)
            meter.optimizer_steps += len(ids)
            self.task.progress.advance(points)
            return self.regression.gradient(weights, shares)

        self.task.progress.begin(steps, "descending")
        return descend(gradient, weights, self.step, steps, noise)

    def learn(
        self, ids: Sequence[np.ndarray], seeds: Sequence[int], kept_steps: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """The learned weights of a model for each seed, and those before the last `kept_steps`."""
        noise = self.noise(seeds, "learning noise")
        first_steps = self.task.recipe.epochs - kept_steps
        checkpoint = self.run(self.start(seeds), ids, first_steps, noise)
        return self.run(checkpoint, ids, kept_steps, noise), checkpoint

    def vector(self, tensor: torch.Tensor | np.ndarray) -> np.ndarray:
        """The tensor of weights of one model as float64 1 x p, a copy."""
        return np.array(tensor, dtype=np.float64).reshape(1, -1)

    def tensor(self, weights: np.ndarray) -> torch.Tensor:
        """The inverse of `vector`."""
        return torch.from_numpy(weights.reshape(self.regression.shape).copy())

    def _shares(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """The shares of points in the loss of each model, 1 x N where all have the same points."""
        if all(other is ids[0] or np.array_equal(other, ids[0]) for other in ids):
            return self.regression.shares(ids[0])[None]
        return np.stack([self.regression.shares(model_ids) for model_ids in ids])
