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

from unlearn.certificates.limits import check_count, check_nonnegative, check_probability
from unlearn.certificates.privacy import (
    ROOT_ABSOLUTE_TOLERANCE,
    ROOT_TOLERANCE,
    delta_of,
    epsilon_of,
    mu_of,
)


def amplified_delta(epsilon: float, mu: float, steps: int) -> float:
    """delta at `epsilon` after steps whose clipped weights are at most `mu` noises apart.

    Any two laws may start: without a step delta is 1.

    Args:
        epsilon: finite, at least 0.
        mu: 2 C2 / sigma.
        steps: at least 0.
    """
    check_nonnegative("epsilon", epsilon)
    check_nonnegative("mu", mu, infinite=True)
    check_count("steps", steps)
    delta = 1.0
    for _ in range(steps):
        if delta == 0:
            break
        delta = _next_delta(delta, epsilon, mu)
    return delta


def amplified_epsilon(mu: float, steps: int, delta: float) -> float:
    """The least epsilon with which `amplified_delta` is at most `delta`; infinity without steps."""
    from scipy.optimize import brentq

    check_probability("delta", delta)
    if amplified_delta(0, mu, steps) <= delta:
        return 0.0
    # the last step alone has at least the epsilon of all; twice it, against rounding
    high = 2 * epsilon_of(mu, delta) if steps else math.inf
    if math.isinf(high):
        return math.inf

    def excess(epsilon: float) -> float:
        return amplified_delta(epsilon, mu, steps) / delta - 1

    return brentq(excess, 0, high, xtol=ROOT_ABSOLUTE_TOLERANCE, rtol=ROOT_TOLERANCE)


def amplified_mu(epsilon: float, steps: int, delta: float) -> float:
    """The largest mu with which `amplified_delta` is at most `delta` after at least one step.

    The noise that methods need is 2 C2 / mu.
    """
    from scipy.optimize import brentq

    check_count("steps", steps, least=1)
    check_probability("delta", delta)

    def excess(mu: float) -> float:
        return amplified_delta(epsilon, mu, steps) / delta - 1

    # of the last step alone; half of it, against rounding
    low = mu_of(epsilon, delta) / 2
    high = low
    while excess(high) < 0:
        low = high
        high *= 2
    return brentq(excess, low, high, xtol=ROOT_ABSOLUTE_TOLERANCE, rtol=ROOT_TOLERANCE)


def _next_delta(delta: float, epsilon: float, mu: float) -> float:
    """delta after one more step, from that before it, above 0."""
    if epsilon == 0:
        return delta * delta_of(0, mu)
    # ln(1 + (exp(epsilon) - 1) / delta), without overflow
    log_ratio = epsilon + math.log(-math.expm1(-epsilon)) - math.log(delta)
    return delta * delta_of(float(np.logaddexp(0, log_ratio)), mu)
