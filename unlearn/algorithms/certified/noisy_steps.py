"""Noisy steps on weights whose distance from those of any other training is bounded by clipping.

Weights are vectors of P float64 numbers. Noise is drawn and added in float64.

References:
    Koloskova, Allouah, Jha, Guerraoui, Koyejo, "Certified unlearning for neural networks",
    ICML 2025.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from unlearn.certificates.chains import NoisySteps
from unlearn.core import seeding

Gradient = Callable[[torch.Tensor], torch.Tensor]
"""The gradient of the loss of one minibatch at weights P; returns P numbers."""


@dataclass(frozen=True)
class Noise:
    """Normal noise on weights, with a stream of its own for each step of each request."""

    sigma: float
    """The standard deviation, in units of weights."""
    seed: int
    """That of the member."""
    request: int
    """The number of the request, from 1."""

    def of(self, step: int, like: torch.Tensor) -> torch.Tensor:
        """The noise of a step, counted from 0: P numbers, on the device of `like`."""
        stream = seeding.derive(self.seed, "certified noise", self.request, step)
        draws = np.random.default_rng(stream).standard_normal(len(like))
        return self.sigma * torch.from_numpy(draws).to(like.device)


def clip(vector: torch.Tensor, radius: float) -> torch.Tensor:
    """The vector, shortened to the norm `radius` where it is longer."""
    norm = float(torch.linalg.vector_norm(vector))
    return vector * (radius / norm) if norm > radius else vector


def clipped_gradients(
    weights: torch.Tensor,
    gradients: Iterable[Gradient],
    radius: float,
    steps: NoisySteps,
    noise: Noise,
) -> torch.Tensor:
    """The weights after steps w <- w - eta (clip(g, C1) + lambda w) + N(0, sigma^2 I).

    Args:
        weights: Those before the steps, clipped.
        gradients: Of the minibatch of each step.
        radius: C1; weight decay is not clipped.
        steps: eta and lambda.
        noise: That of each step.
    """
    for step, gradient in enumerate(gradients):
        direction = clip(gradient(weights), radius) + steps.weight_decay * weights
        weights = weights - steps.rate * direction + noise.of(step, weights)
    return weights


def clipped_models(
    weights: torch.Tensor,
    gradients: Iterable[Gradient],
    radius: float,
    steps: NoisySteps,
    noise: Noise,
) -> torch.Tensor:
    """The weights after steps w <- clip(w - eta (g + lambda w), C2) + N(0, sigma^2 I).

    The arguments are those of `clipped_gradients`, but `radius` is C2.
    """
    for step, gradient in enumerate(gradients):
        direction = gradient(weights) + steps.weight_decay * weights
        weights = clip(weights - steps.rate * direction, radius) + noise.of(step, weights)
    return weights
