"""The likelihood-ratio attack: Gaussians of the margin of a point, fitted to models.

A Gaussian is fitted to models that were not trained on the point. `unlearn.metrics.ulira` fits a
second one to unlearned models, and holds scored models out of their fits.

References:
    Carlini et al., Membership inference attacks from first principles, S&P 2022.
"""

from dataclasses import dataclass

import numpy as np

MIN_SIGMA = 1e-3
"""The lowest standard deviation of a fit, in nats."""

MIN_MODELS_PER_POINT = 32
"""Models with which every point has a variance of its own; fewer share one over all points."""

MAX_FLOORED_SHARE = 0.05
"""The share of points on the lowest standard deviation above which an attack has no value."""

MIN_MODELS_OF_FIT = 2


@dataclass(frozen=True)
class LiraScores:
    """Scores of an attack, or the reason why there are none."""

    scores: np.ndarray | None
    """Targets x points; larger says member."""
    n_floored: int = 0
    """Points whose standard deviation was raised to `MIN_SIGMA`."""
    reason: str = ""
    """Why `scores` is None; empty where it is not."""


@dataclass(frozen=True)
class PointGaussians:
    """Gaussians of the margins of P points; `floored` says which variances were raised."""

    means: np.ndarray
    """P, or models x P where every model is held out of a fit of its own."""
    variances: np.ndarray
    """Broadcasts to `means`; at least the square of `MIN_SIGMA`."""
    floored: np.ndarray
    """P booleans."""


def floored_reason(floored: np.ndarray) -> str:
    """Why an attack on these points has no value; empty where at most 5 % were floored."""
    count = int(floored.sum())
    if count <= MAX_FLOORED_SHARE * floored.size:
        return ""
    share = f"at most {MAX_FLOORED_SHARE:.0%} may"
    return f"{count} of {floored.size} points have a spread below {MIN_SIGMA:g} nats; {share}"


def check_points(margins: dict[str, np.ndarray]) -> None:
    """Raises ValueError unless all margins are models x points, with the points of the first."""
    expected = next(iter(margins.values())).shape[-1]
    for name, values in margins.items():
        if values.ndim != 2 or values.shape[1] != expected:
            raise ValueError(f"margins of {name}: {values.shape}; allowed: (models, {expected})")


def count_reason(margins: np.ndarray, name: str) -> str:
    """Why models cannot be fitted: too few of them, no points, or values that are not finite."""
    if len(margins) < MIN_MODELS_OF_FIT:
        return f"{len(margins)} {name}; a fit needs {MIN_MODELS_OF_FIT}"
    return broken_reason(margins, name)


def broken_reason(margins: np.ndarray, name: str) -> str:
    """Why margins of models x points cannot be scored: no points, or values not finite."""
    if not margins.shape[1]:
        return "no points"
    broken = int((~np.isfinite(margins)).any(axis=1).sum())
    return f"{broken} of {len(margins)} {name} have margins that are not finite" if broken else ""


def gaussians(margins: np.ndarray, n_models: int) -> PointGaussians:
    """The Gaussian of every point, from margins of N models x P points, in nats.

    `n_models` is the size of the smaller side: below 32 all points share one variance.
    """
    means = margins.mean(axis=0, dtype=np.float64)
    variances = margins.var(axis=0, dtype=np.float64, ddof=1)
    if n_models < MIN_MODELS_PER_POINT:
        variances = variances.mean(keepdims=True)
    floored = np.broadcast_to(variances < MIN_SIGMA**2, means.shape)
    return PointGaussians(means, np.maximum(variances, MIN_SIGMA**2), floored)


def log_densities(margins: np.ndarray, fit: PointGaussians) -> np.ndarray:
    """Log-density of every margin under the Gaussian of its point, but for a constant."""
    return -0.5 * ((margins - fit.means) ** 2 / fit.variances + np.log(fit.variances))


def offline_lira_scores(target_margins: np.ndarray, out_margins: np.ndarray) -> LiraScores:
    """How far the margin of a point lies above those of models without the point.

    The score is the standard score (phi - mu) / sigma. It has the order of the one-sided
    probability of Carlini et al. and does not saturate.

    Args:
        target_margins: N_t targets x P points, in nats.
        out_margins: N_o models x P points, of models that were not trained on the points.

    Returns:
        N_t x P scores. None with fewer than two models, with margins that are not finite, or where
        more than 5 % of the points have no spread.
    """
    check_points({"targets": target_margins, "models without the points": out_margins})
    reason = count_reason(out_margins, "models without the points")
    reason = reason or broken_reason(target_margins, "targets")
    if reason:
        return LiraScores(None, reason=reason)
    fit = gaussians(out_margins, len(out_margins))
    count = int(fit.floored.sum())
    reason = floored_reason(fit.floored)
    if reason:
        return LiraScores(None, count, reason)
    return LiraScores((target_margins - fit.means) / np.sqrt(fit.variances), count)
