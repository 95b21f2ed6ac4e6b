"""The loop of certified full-batch descent: projected gradient descent with Gaussian noise.

Nothing here knows data or networks: the gradient is an argument, so that audits run the same loop
on quadratics whose law is known.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Gradient = Callable[[np.ndarray], np.ndarray]
"""From weights, K x p, the gradients of the K losses without weight decay, K x p."""

Noise = Callable[[], np.ndarray]
"""The next standard normal numbers, K x p."""


@dataclass(frozen=True)
class Step:
    """One step of descent: w <- P(w - rate (gradient + weight_decay w) + noise_sd N(0, I))."""

    rate: float
    """eta."""
    weight_decay: float
    """m: the factor of |w|^2 / 2."""
    noise_sd: float = 0.0
    """In units of weights; 0 draws no noise."""
    radius: float | None = None
    """P projects all weights of a model, as one vector, onto the ball of this radius."""


def descend(
    gradient: Gradient, weights: np.ndarray, step: Step, steps: int, noise: Noise | None = None
) -> np.ndarray:
    """The weights of K models after so many steps, K x p; the argument stays as it is.

    Args:
        gradient: of the K losses, weight decay left out.
        weights: float64 K x p, one model a row.
        step: what all steps do.
        steps: their number.
        noise: needed where steps have noise.

    Raises:
        ValueError: weights are no longer finite.
    """
    shrinkage = 1 - step.rate * step.weight_decay
    for _ in range(steps):
        weights = shrinkage * weights - step.rate * gradient(weights)
        if step.noise_sd:
            weights += step.noise_sd * noise()
        if step.radius is not None:
            weights = projection(weights, step.radius)
    if not np.isfinite(weights).all():
        raise ValueError(f"descent: weights are not finite after {steps} steps")
    return weights


def projection(weights: np.ndarray, radius: float) -> np.ndarray:
    """Each row moved to the nearest point of the ball of this radius around 0."""
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights * (radius / np.maximum(norms, radius))
