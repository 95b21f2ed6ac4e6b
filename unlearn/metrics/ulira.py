"""U-LiRA: whether unlearned models can be told from models that never saw the deleted points.

The members of the attack are unlearned models, its non-members are oracles. Their margins at every
point are fitted by Gaussians, and a score is the log-likelihood ratio of the two.

**Matched hold-out.** Every unlearned model is paired with an oracle at random. Both are scored with
one fit that neither is part of. Otherwise two halves of one fleet could be told from each other.

References:
    Hayes et al., Inexact unlearning needs more careful evaluations, SaTML 2025.
    Airola et al., A comparison of AUC estimators in small-sample studies, MLSB 2009.
"""

from dataclasses import dataclass

import numpy as np

from unlearn.metrics.finding import Difference, Finding
from unlearn.metrics.jackknife import difference_of, estimate, jackknife_finding
from unlearn.metrics.lira import (
    MIN_MODELS_PER_POINT,
    MIN_SIGMA,
    PointGaussians,
    broken_reason,
    check_points,
    floored_reason,
    log_densities,
)
from unlearn.metrics.membership import balanced_accuracy, tpr_at_fpr

MIN_MODELS_PER_SIDE = 4

MAX_JACKKNIFE_GROUPS = 8
"""Groups of pairs of models that are left out in turn; below 8 pairs every pair is a group."""

CHUNK_POINTS = 4096
"""Points that are compared at once, so that the memory does not grow with their number."""


@dataclass(frozen=True)
class MatchedScores:
    """Log-likelihood ratios, in nats: row i of both sides is scored with one fit."""

    unlearned: np.ndarray
    """N models x P points."""
    oracle: np.ndarray
    """N models x P points, in the order of their partners."""
    floored: np.ndarray
    """P booleans: points where the standard deviation of some fit was raised to the floor."""


@dataclass(frozen=True)
class ULira:
    """What the attack reads; the arrays are None where the values are."""

    auc: Finding
    """Mean over points of the area under the ROC curve over models; .5 where nothing can be told.

    A pair of models is compared with fits of the others. One curve over all (model, point) pairs
    would read below .5 for identical fleets whose points move together, as those of one class do.
    """
    balanced_accuracy: Finding
    """Of the threshold 0, where both sides are equally likely; it is not chosen on any score."""
    tpr_at_one_percent: Finding
    """True-positive rate at a false-positive rate of 1 % of (oracle, point) pairs."""
    tpr_at_one_per_mille: Finding
    """The same at 0.1 %."""
    unlearned_scores: np.ndarray | None = None
    """N models x P points, in nats."""
    oracle_scores: np.ndarray | None = None
    """N models x P points, in nats."""
    point_aucs: np.ndarray | None = None
    """P areas under the ROC curve, one a point; see `leave_pair_out_aucs`."""
    n_floored: int = 0
    """Points whose standard deviation was raised to the floor."""


def held_out_gaussians(margins: np.ndarray, is_pooled: bool) -> PointGaussians:
    """For every model, the Gaussians of all points fitted to the other models.

    Means and variances without a model follow from those with all models, in closed form. The
    variances have one degree of freedom less than the models of a fit.

    Args:
        margins: N models x P points, in nats, float64, with a mean near 0 at every point.
        is_pooled: whether all points share the mean of their variances.

    Returns:
        N x P means and variances; N x 1 variances where they are pooled.
    """
    n = len(margins)
    means = margins.mean(axis=0)
    deviations = margins - means
    sums = (deviations**2).sum(axis=0)
    variances = np.maximum(sums - deviations**2 * (n / (n - 1)), 0) / (n - 2)
    if is_pooled:
        variances = variances.mean(axis=1, keepdims=True)
    floored = np.broadcast_to((variances < MIN_SIGMA**2).any(axis=0), means.shape)
    return PointGaussians(
        means - deviations / (n - 1), np.maximum(variances, MIN_SIGMA**2), floored
    )


def matched_scores(
    unlearned_margins: np.ndarray, oracle_margins: np.ndarray, is_pooled: bool
) -> MatchedScores:
    """Scores of both sides, where row i of one side is the partner of row i of the other.

    Args:
        unlearned_margins: N models x P points, in nats, float64.
        oracle_margins: the same of N oracles; both have means near 0 at every point.
        is_pooled: whether all points of a side share one variance.

    Returns:
        Finite scores, also where a whole side is constant.
    """
    unlearned_fit = held_out_gaussians(unlearned_margins, is_pooled)
    oracle_fit = held_out_gaussians(oracle_margins, is_pooled)
    scores = [
        log_densities(margins, unlearned_fit) - log_densities(margins, oracle_fit)
        for margins in (unlearned_margins, oracle_margins)
    ]
    return MatchedScores(*scores, unlearned_fit.floored | oracle_fit.floored)


def leave_pair_out_aucs(
    unlearned_margins: np.ndarray, oracle_margins: np.ndarray, is_pooled: bool
) -> np.ndarray:
    """The area under the ROC curve of every point, over all N x N pairs of models.

    A pair is compared with a fit that neither model is part of. Scores of different fits would not
    do: a model that is in the fit of the other moves its score, and at one point this does not
    average out. With identical fleets it reads .45, at any N. Here it reads .5.

    Args:
        unlearned_margins: N models x P points, in nats, float64, with a mean near 0.
        oracle_margins: the same of N oracles.
        is_pooled: whether all points of a side share one variance.

    Returns:
        P areas, in 0..1; equal scores count a half.
    """
    unlearned_fit = held_out_gaussians(unlearned_margins, is_pooled)
    oracle_fit = held_out_gaussians(oracle_margins, is_pooled)
    n, n_points = unlearned_margins.shape
    wins = np.zeros(n_points)
    for start in range(0, n_points, CHUNK_POINTS):
        chunk = np.s_[:, start : start + CHUNK_POINTS]
        x = unlearned_margins[chunk]
        y = oracle_margins[chunk]
        u, u_mean = _precisions(unlearned_fit, chunk)
        v, v_mean = _precisions(oracle_fit, chunk)
        for i in range(n):
            # twice the difference of the log-likelihood ratios of x_i and y_j, for all j
            slopes = (x[i] + y) * (v - u[i]) + 2 * (u_mean[i] - v_mean)
            differences = (x[i] - y) * slopes
            wins[start : start + CHUNK_POINTS] += (np.sign(differences) + 1).sum(axis=0) / 2
    return wins / n**2


def _precisions(fit: PointGaussians, chunk: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Inverse variances, and their products with the means, of some points."""
    means = fit.means[chunk]
    precisions = 1 / np.broadcast_to(fit.variances, fit.means.shape)[chunk]
    return precisions, precisions * means


def ulira(unlearned_margins: np.ndarray, oracle_margins: np.ndarray, seed: int) -> ULira:
    """The attack on N unlearned models, with N oracles, at P points.

    With 32 models a side or more every point has variances of its own; otherwise each side has one
    for all points. The interval of the area takes pairs of models as the sampled units; see
    `jackknife_interval`.

    Args:
        unlearned_margins: N models x P points, in nats, of models that were trained on the points
            and have unlearned them.
        oracle_margins: N models x P points, in nats, of models that were never trained on them.
        seed: of the pairs of models.

    Returns:
        Values of None, with the reason, for fewer than 4 models a side, for sides of different
        size, for margins that are not finite, and where more than 5 % of the points have no spread.
    """
    check_points({"unlearned models": unlearned_margins, "oracles": oracle_margins})
    reason = size_reason(unlearned_margins, oracle_margins)
    if reason:
        return _without_value(reason)
    n = len(unlearned_margins)
    partners = np.random.default_rng(seed).permutation(n)
    centers = unlearned_margins.mean(axis=0, dtype=np.float64)
    unlearned = unlearned_margins - centers
    oracles = oracle_margins[partners] - centers
    is_pooled = n < MIN_MODELS_PER_POINT
    scores = matched_scores(unlearned, oracles, is_pooled)
    n_floored = int(scores.floored.sum())
    reason = floored_reason(scores.floored)
    if reason:
        return _without_value(reason, n_floored)
    point_aucs = leave_pair_out_aucs(unlearned, oracles, is_pooled)
    rates = [
        _of_models(tpr_at_fpr(scores.unlearned, scores.oracle, rate), n) for rate in (0.01, 0.001)
    ]
    return ULira(
        area_finding(unlearned, oracles),
        _of_models(balanced_accuracy(scores.unlearned, scores.oracle, threshold=0), n),
        *rates,
        unlearned_scores=scores.unlearned,
        oracle_scores=scores.oracle[np.argsort(partners)],
        point_aucs=point_aucs,
        n_floored=n_floored,
    )


def area_finding(unlearned_margins: np.ndarray, oracle_margins: np.ndarray) -> Finding:
    """The mean area over points, with its interval by a jackknife over pairs of models.

    A model counts twice, by its score and in the fits of the others. The variance of DeLong knows
    the scores only: on identical fleets its interval covers .5 in 80 % of the cases. Leaving models
    out of scores and fits covers at least the nominal level there.

    Args:
        unlearned_margins: N models x P points, in nats, float64, with a mean near 0.
        oracle_margins: the same of their partners.
    """
    is_pooled = len(unlearned_margins) < MIN_MODELS_PER_POINT

    def area(pairs: np.ndarray) -> float:
        return float(leave_pair_out_aucs(pairs[:, 0], pairs[:, 1], is_pooled).mean())

    pairs = np.stack([unlearned_margins, oracle_margins], axis=1)
    return jackknife_finding(area, pairs, minimum=0, maximum=1, groups=MAX_JACKKNIFE_GROUPS)


def ulira_difference(
    unlearned_margins: np.ndarray,
    original_margins: np.ndarray,
    oracle_margins: np.ndarray,
    seed: int,
) -> Difference | None:
    """The area of unlearned models less that of their originals, against the same oracles.

    The jackknife leaves out a model before and after unlearning, and its partner among the oracles,
    together.

    Args:
        unlearned_margins: N models x P points, in nats.
        original_margins: the same of the models before they were unlearned.
        oracle_margins: the same of N oracles.
        seed: of the pairs of models, as for `ulira`.

    Returns:
        None where one of the two areas has no value.
    """
    sides = (unlearned_margins, original_margins)
    if any(size_reason(side, oracle_margins) for side in sides):
        return None
    n = len(oracle_margins)
    partners = np.random.default_rng(seed).permutation(n)
    models = np.stack([*sides, oracle_margins[partners]], axis=1)
    models -= unlearned_margins.mean(axis=0, dtype=np.float64)

    def difference(members: np.ndarray) -> float:
        areas = [
            leave_pair_out_aucs(members[:, side], members[:, 2], n < MIN_MODELS_PER_POINT).mean()
            for side in (0, 1)
        ]
        return float(areas[0] - areas[1])

    return difference_of(estimate(difference, models, groups=MAX_JACKKNIFE_GROUPS))


def size_reason(unlearned_margins: np.ndarray, oracle_margins: np.ndarray) -> str:
    """Why two fleets cannot be compared; empty where they can."""
    n = len(unlearned_margins)
    m = len(oracle_margins)
    if n != m:
        return f"{n} unlearned models and {m} oracles; the sides must be of one size"
    if n < MIN_MODELS_PER_SIDE:
        return f"{n} models a side; at least {MIN_MODELS_PER_SIDE} are needed"
    reason = broken_reason(unlearned_margins, "unlearned models")
    return reason or broken_reason(oracle_margins, "oracles")


def _without_value(reason: str, n_floored: int = 0) -> ULira:
    """No value, for one reason."""
    finding = Finding(None, reason=reason)
    return ULira(finding, finding, finding, finding, n_floored=n_floored)


def _of_models(finding: Finding, n: int) -> Finding:
    """A value over (model, point) pairs, with the number of models."""
    return Finding(finding.value, n=n, reason=finding.reason)
