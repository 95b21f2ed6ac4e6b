"""Gaussian differential privacy and its exact (epsilon, delta).

A certificate compares two laws of published weights: of unlearning, and of the same noisy procedure
that never saw the deleted points. They are **mu apart** if no test tells them apart better than
N(0, 1) from N(mu, 1). All numbers are pure, and logarithms are natural.

References:
    Dong, Roth, Su, Gaussian differential privacy, 2022: corollary 2.13.
    Balle, Wang, Improving the Gaussian mechanism for differential privacy, 2018: theorem 8.
"""

import math

import numpy as np

from unlearn.certificates.limits import check_nonnegative, check_probability

QUADRATURE_NODES = 20
"""Nodes of Gauss and Legendre on an interval of at most `QUADRATURE_MU`."""

QUADRATURE_MU = 1.0
"""Up to this mu the two terms of delta nearly cancel, and their difference is integrated."""

ROOT_TOLERANCE = 4 * 2.0**-52
"""The relative tolerance of a root, the least that scipy allows."""

ROOT_ABSOLUTE_TOLERANCE = 2.0**-1022
"""The least normal number: the tolerance of a root is relative at every size."""


def delta_of(epsilon: float, mu: float) -> float:
    """The least delta with which laws that are `mu` apart are (`epsilon`, delta)-close.

    With a = mu/2 - epsilon/mu it is Phi(a) - exp(epsilon) Phi(a - mu). Where both terms are small
    or alike the density at a is factored out, and what remains is a difference of Mills ratios.

    Args:
        epsilon: finite, at least 0.
        mu: at least 0; infinity gives 1.

    Raises:
        ValueError: an argument is out of range.
    """
    from scipy.special import erfcx, ndtr

    check_nonnegative("epsilon", epsilon)
    check_nonnegative("mu", mu, infinite=True)
    if mu == 0 or math.isinf(mu):
        return float(mu > 0)
    a = mu / 2 - epsilon / mu
    density = math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    if a < 0 and density == 0:
        return 0.0
    if mu <= QUADRATURE_MU:
        return density * _mills_difference(-a, mu)
    mills = math.sqrt(math.pi / 2)
    second_term = density * mills * float(erfcx((mu - a) / math.sqrt(2)))
    if a > 0:
        return float(ndtr(a)) - second_term
    return density * mills * float(erfcx(-a / math.sqrt(2))) - second_term


def epsilon_of(mu: float, delta: float) -> float:
    """The least epsilon with which laws that are `mu` apart are (epsilon, `delta`)-close.

    Args:
        mu: at least 0; infinity gives infinity.
        delta: between 0 and 1, both excluded.

    Raises:
        ValueError: an argument is out of range.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    check_nonnegative("mu", mu, infinite=True)
    check_probability("delta", delta)
    if delta_of(0, mu) <= delta:
        return 0.0
    # delta_of is at most Phi(a), so Phi(a) = delta gives an upper end; twice it, against rounding
    high = mu * mu - 2 * mu * float(ndtri(delta))
    if math.isinf(high):
        return math.inf

    def excess(epsilon: float) -> float:
        return delta_of(epsilon, mu) / delta - 1

    return brentq(excess, 0, high, xtol=ROOT_ABSOLUTE_TOLERANCE, rtol=ROOT_TOLERANCE)


def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu such that laws that are mu apart are (`epsilon`, `delta`)-close.

    Args:
        epsilon: finite, at least 0.
        delta: between 0 and 1, both excluded.

    Raises:
        ValueError: an argument is out of range.
    """
    from scipy.optimize import brentq

    check_nonnegative("epsilon", epsilon)
    check_probability("delta", delta)

    def excess(mu: float) -> float:
        return delta_of(epsilon, mu) / delta - 1

    # delta_of is at most mu / sqrt(2 pi), so this is below the root
    low = delta
    high = low
    while excess(high) < 0:
        low = high
        high *= 2
    return brentq(excess, low, high, xtol=ROOT_ABSOLUTE_TOLERANCE, rtol=ROOT_TOLERANCE)


def _mills_difference(x: float, length: float) -> float:
    """m(x) - m(x + length) of the Mills ratio m of the normal law, as an integral of -m'.

    The derivative of m is x m(x) - 1, and no digits cancel in the sum of positive terms.
    """
    from scipy.special import erfcx

    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    points = x + length * (nodes + 1) / 2
    slopes = 1 - points * math.sqrt(math.pi / 2) * erfcx(points / math.sqrt(2))
    return float(length / 2 * (weights @ slopes))
