"""The case on which bounds of certificates are attained, and what a loop must offer to be audited.

Weights are one number, so that a run is one score. Every retained point has the gradient -M, every
deleted one +M, beside the weight decay m w: all contract by 1 - eta m and pull against each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.constants import Constant, Constants
from unlearn.certificates.record import Certificate
from unlearn.core import seeding

Gradient = Callable[[np.ndarray], np.ndarray]
"""From weights, runs x 1, the gradient of the mean loss without weight decay, runs x 1."""


@dataclass(frozen=True)
class WorstCase:
    """Learning on n points, S of which one request deletes."""

    points: int = 100
    """n."""
    deleted_points: int = 10
    """S."""
    gradient_norm: float = 1.0
    """M."""
    weight_decay: float = 0.1
    """m: all the curvature that there is."""
    smoothness: float = 0.35
    """L: an upper bound; the actual curvature is m."""
    rate: float = 1.0
    """eta, at most 2 / (L + m)."""
    learning_steps: int = 20
    """T."""

    def descent(self, steps: int) -> Descent:
        """Learning, and the request served by so many steps."""
        constants = Constants(
            gradient_bound=Constant(self.gradient_norm, "proved"),
            smoothness=Constant(self.smoothness, "proved"),
            convexity=Constant(self.weight_decay, "proved"),
        )
        ledger = (Deletion(self.deleted_points, self.points, steps),)
        return Descent(constants, self.rate, self.learning_steps, ledger)

    def learning_gradient(self, *, has_deleted_points: bool) -> Gradient:
        """The gradient of learning; the reference lacks the deleted points."""
        share = self.deleted_points / self.points if has_deleted_points else 0.0
        mean = self.gradient_norm * (2 * share - 1)
        return lambda weights: np.full_like(weights, mean)

    def retained_gradient(self) -> Gradient:
        """The gradient of the request: of the retained points."""
        return self.learning_gradient(has_deleted_points=False)

    def far_weights(self, runs: int, *, has_deleted_points: bool) -> np.ndarray:
        """Trained weights that every clipping moves, runs x 1: the two laws on opposite sides."""
        return np.full((runs, 1), 1e9 if has_deleted_points else -1e9)

    def repelling_gradient(self) -> Gradient:
        """A gradient that every clipping moves, and whose descent keeps the two laws apart."""
        return lambda weights: -1e9 * np.sign(weights)


@dataclass(frozen=True)
class Runs:
    """Independent runs of one law: of unlearning, or of the reference."""

    seeds: Sequence[int]
    """One for each run: all noise is a function of it."""
    has_deleted_points: bool
    """Whether learning has seen the deleted points: not in the reference."""

    def noise(self, purpose: str) -> Iterator[np.ndarray]:
        """Standard normal numbers, runs x 1 a step, without end."""
        generators = [np.random.default_rng(seeding.derive(s, purpose)) for s in self.seeds]
        while True:
            yield np.array([[generator.standard_normal()] for generator in generators])


class AuditedLoop(Protocol):
    """The loop of a certified method, on the worst case instead of a network."""

    def certificate(self, case: WorstCase) -> Certificate:
        """What the method claims of the published weights, with its own noise."""
        ...

    def weights(self, case: WorstCase, noise: float, runs: Runs) -> np.ndarray:
        """The published weights of every run.

        Args:
            case: the losses.
            noise: the standard deviation of the rule's noise, wrong on purpose in controls.
            runs: their seeds, and the law.

        Returns:
            float64, runs x 1.
        """
        ...
