"""Clipping all weights before each noisy step: how epsilon and delta shrink with the steps.

Let E(gamma) be the least delta of two laws at epsilon = ln gamma. A step that maps both by the same
kernel splits P - gamma Q into two parts of mass d = E(gamma) and d + gamma - 1. So the laws
after it have at most d times the delta of two single points at 1 + (gamma - 1) / d. Clipped points
are at most 2 C2 apart, and mu is 2 C2 / sigma.

References:
    Koloskova et al., Certified unlearning for neural networks, 2025.
    Balle, Barthe, Gaboardi, Geumlek, Privacy amplification by mixing and diffusion, 2019.
"""

import math

import numpy as np

from unlearn.certificates.limits import above_zero, probability
from unlearn.certificates.privacy import (
    ROOT_ABSOLUTE_TOLERANCE,
    ROOT_TOLERANCE,
    delta_of,
    epsilon_of,
)


def amplified_delta(epsilon: float, mu: float, steps: int) -> float:
    """delta at `epsilon` after steps whose clipped weights are at most `mu` noises apart.

    Any two laws may start: without a step delta is 1.
    """
    delta = 1.0
    for _ in range(steps):
        delta = _next_delta(delta, epsilon, mu)
        if delta == 0:
            return 0.0
    return delta


def amplified_epsilon(mu: float, steps: int, delta: float) -> float:
    """The least epsilon at `delta` after at least one step; the inverse of `amplified_delta`."""
    from scipy.optimize import brentq

    above_zero("steps", steps)
    probability("delta", delta)
    if math.isinf(mu) or amplified_delta(0, mu, steps) <= delta:
        return math.inf if math.isinf(mu) else 0.0

    def excess(epsilon: float) -> float:
        return amplified_delta(epsilon, mu, steps) / delta - 1

    high = 2 * epsilon_of(mu, delta)
    return brentq(excess, 0, high, xtol=ROOT_ABSOLUTE_TOLERANCE, rtol=ROOT_TOLERANCE)


def _next_delta(delta: float, epsilon: float, mu: float) -> float:
    """delta after one more step, from that before it, above 0."""
    if epsilon == 0:
        return delta * delta_of(0, mu)
    # ln(1 + (exp(epsilon) - 1) / delta), without overflow
    log_ratio = epsilon + math.log(-math.expm1(-epsilon)) - math.log(delta)
    return delta * delta_of(float(np.logaddexp(0, log_ratio)), mu)
