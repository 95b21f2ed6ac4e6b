"""How far apart two noisy chains of weights are, step by step."""

import math
from typing import NamedTuple

import numpy as np

from unlearn.certificates.limits import check_nonnegative

MIN_NOISE_SHARE = 1e-150
"""Noise with less than this share of the variance counts as none: squares must not overflow."""


class Bound(NamedTuple):
    """How far apart the weights of unlearning and of the reference are."""

    gap: float
    """The largest distance of the two where both draw the same noise, in units of weights."""
    mu: float
    """Their laws are mu apart in the sense of `privacy`; infinity where no noise hides the gap."""


def contraction(rho: np.ndarray, shift: np.ndarray, sd: np.ndarray, gap: float = 0.0) -> Bound:
    """The bound after N steps w <- P(phi_t(w) + N(0, sd_t^2 I)) and v <- P(phi~_t(v) + ...).

    The maps obey |phi_t(w) - phi~_t(v)| <= rho_t |w - v| + shift_t, and P is any projection that
    does not expand. The chains start at most `gap` apart.

    Valid for any shifts a_t (shifted interpolation). A third chain x starts at v. Its step is that
    of v, moved towards phi_t(w) by at most a_t, with the noise of w. Then |w - x| is at most
    z_t = rho_t z_{t-1} + shift_t - a_t while all z_t are at least 0. Where z_N = 0, x ends at w.
    The noise of x differs from that of v by a move of at most a_t that the past decides. So x and v
    are an adaptive composition of Gaussian mechanisms, (sum_t (a_t / sd_t)^2)^(1/2) apart.
    Nothing else is asked of a_t: a late start tau (a_t = 0 up to tau) is one choice among others.

    Returned is the least value over all a_t. With c_t the product of rho_k over k > t, let
    V(t) = sum_{s<=t} (c_s sd_s)^2 and D(t) = c_0 gap + sum_{s<=t} c_s shift_s. The sums
    A(t) = sum_{s<=t} c_s a_s may not exceed D, end at D(N), and cost the integral of (dA/dV)^2. So
    A is the greatest convex function of V below D, which isotonic regression computes in O(N).
    The bound is at least D(N) / V(N)^(1/2), with equality where that chord lies below D.

    Args:
        rho: Lipschitz constants, N.
        shift: how far one step moves the chains apart, N, in units of weights.
        sd: standard deviations of the noise, N, in units of weights.
        gap: how far apart the chains start, in units of weights.

    Raises:
        ValueError: lengths differ, or a number is negative or not finite.

    References:
        Bok, Su, Altschuler, Shifted interpolation for differential privacy, 2024.
        Dong, Roth, Su, Gaussian differential privacy, 2022: corollary 3.3.
    """
    rho, shift, sd = _steps(rho, shift, sd)
    check_nonnegative("gap", gap)
    with np.errstate(divide="ignore"):
        log_c = np.append(np.cumsum(np.log(rho[::-1]))[::-1], 0.0)
    log_scale = float(log_c.max())
    c = np.exp(log_c - log_scale)
    rises = np.append(gap, shift) * c
    total = rises.sum()
    if total == 0:
        return Bound(0.0, 0.0)
    with np.errstate(over="ignore"):
        final_gap = float(total * np.exp(log_scale))
    variances = (c[1:] * sd) ** 2
    variance = variances.sum()
    noisy_steps = np.flatnonzero(variances > MIN_NOISE_SHARE * variance)
    if not len(noisy_steps) or rises[noisy_steps[-1] + 2 :].any():
        return Bound(final_gap, math.inf)
    noisy_rises = np.add.reduceat(rises[: noisy_steps[-1] + 2], np.append(0, noisy_steps[:-1] + 2))
    excess = _chord_excess(noisy_rises / total, variances[noisy_steps] / variance)
    return Bound(final_gap, float(total / np.sqrt(variance) * excess))


def _steps(rho: np.ndarray, shift: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, ...]:
    """The three arrays as float64, of one length, finite and not negative."""
    arrays = {"rho": rho, "shift": shift, "sd": sd}
    steps = {name: np.asarray(values, dtype=np.float64) for name, values in arrays.items()}
    for name, values in steps.items():
        if values.ndim != 1 or len(values) != len(steps["rho"]):
            raise ValueError(f"{name}: shape {values.shape}; allowed: one number a step, as in rho")
        wrong = ~((values >= 0) & np.isfinite(values))
        if wrong.any():
            step = int(np.flatnonzero(wrong)[0])
            check_nonnegative(f"{name} of step {step + 1}", float(values[step]))
    return tuple(steps.values())


def _chord_excess(rises: np.ndarray, variances: np.ndarray) -> float:
    """(integral of (dA/dV)^2)^(1/2) of the greatest convex A below D; both arrays add up to 1.

    It is 1 where the straight line from 0 lies below D.
    """
    from scipy.optimize import isotonic_regression

    slopes = isotonic_regression(rises / variances, weights=variances).x
    return float(np.sqrt(slopes**2 @ variances))
