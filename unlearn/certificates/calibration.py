"""Closed forms of chains, and the noise or the steps that a promise needs.

Methods calibrate with these; `record` recomputes their claims by the general contraction.
"""

import math
from collections.abc import Callable

from unlearn.certificates.chains import Descent
from unlearn.certificates.contraction import Bound
from unlearn.certificates.limits import check_nonnegative
from unlearn.certificates.privacy import mu_of


def langevin_closed_form(descent: Descent, sigma: float) -> Bound:
    """`chains.langevin` in closed form, for losses that are convex.

    mu is gap / V^(1/2) with V = 2 eta sigma^2 (1 - rho^(2 N)) / (1 - rho^2) after N steps. For rho
    up to 1 that is the general contraction: shifts only fall, so the straight line is the best.

    Raises:
        ValueError: rho is above 1.
    """
    check_nonnegative("sigma", sigma)
    rho = _convex_rho(descent)
    steps = descent.learning_steps + sum(deletion.steps for deletion in descent.ledger)
    variance = 2 * descent.rate * sigma**2 * _powers(rho**2, steps)
    return _hidden(closed_gap(descent), math.sqrt(variance))


def descent_to_delete_closed_form(descent: Descent, sigma: float) -> Bound:
    """`chains.descent_to_delete` in closed form, for losses that are convex."""
    check_nonnegative("sigma", sigma)
    return _hidden(closed_gap(descent), sigma)


def closed_gap(descent: Descent) -> float:
    """The gap of a descent: a sum over learning and requests.

    For one request it is rho^K (1 - rho^T) 2 M S / (n m), where rho = 1 - eta m.
    """
    rho = _convex_rho(descent)
    gap = 0.0
    for steps, shift in descent.phases():
        gap = gap * rho**steps + shift * _powers(rho, steps)
    return gap


def sigma_for(unit_bound: Bound, epsilon: float, delta: float) -> float:
    """The least noise that is (`epsilon`, `delta`)-certified.

    Args:
        unit_bound: the bound of the chain at sigma 1; mu is proportional to 1 / sigma.
        epsilon: at least 0.
        delta: between 0 and 1.
    """
    return unit_bound.mu / mu_of(epsilon, delta)


def least_steps(promise: Callable[[int], bool], most_steps: int) -> int:
    """The least number of steps, from 0 on, that keeps a promise.

    Args:
        promise: whether this number of steps keeps it; from one number on all must.
        most_steps: the largest number that is tried.

    Raises:
        ValueError: `most_steps` do not keep the promise.
    """
    if not promise(most_steps):
        raise ValueError(f"steps: {most_steps} do not reach the promised epsilon; raise the noise")
    low = -1
    high = most_steps
    while high - low > 1:
        middle = (low + high) // 2
        if promise(middle):
            high = middle
        else:
            low = middle
    return high


def _convex_rho(descent: Descent) -> float:
    """The contraction factor, at most 1."""
    if descent.rho > 1:
        raise ValueError(f"rho: {descent.rho!r} is not allowed; allowed: at most 1")
    return descent.rho


def _powers(rho: float, steps: int) -> float:
    """The sum of rho^k over k below `steps`, for rho up to 1."""
    return float(steps) if rho == 1 else (1 - rho**steps) / (1 - rho)


def _hidden(gap: float, sd: float) -> Bound:
    """A gap behind noise of standard deviation `sd`."""
    if gap == 0:
        return Bound(0.0, 0.0)
    return Bound(gap, gap / sd if sd else math.inf)
