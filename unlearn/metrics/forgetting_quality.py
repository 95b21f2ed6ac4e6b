"""Forgetting quality of the NeurIPS 2023 challenge: how well models tell that a point was deleted.

A rule looks at the margin of a point and says "unlearned" or "oracle". Its false-positive rate FPR
is the share of oracles called unlearned, its false-negative rate FNR the share of unlearned models
called oracles. The epsilon of a point is the maximum over rules of

    max(ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR)), moved to the range 0..50.

A rule with exactly one rate of 0 does not count: the fleets are too small to judge it. A rule with
both rates 0 gives 50. A point earns 1, 1/2, 1/4, ... by the bin of its epsilon; F is the mean.

F does not reach 1 for oracles: two fleets of 64 have F = .22. Print F, the F of half B of the
oracles against half A, and the ratio. Different numbers of models or rules cannot be compared.

Margins are N x P of N unlearned models and M x P of M oracles; see `klom.margins`.

References:
    Triantafillou et al., Are we making progress in unlearning? Findings from the first NeurIPS
    unlearning competition, 2024.
"""

from collections.abc import Iterator

import numpy as np

from unlearn.metrics.challenge_rules import grid_epsilons
from unlearn.metrics.epsilon import MAX_EPSILON, best_cut, rule_epsilons
from unlearn.metrics.finding import Finding
from unlearn.metrics.klom import check_margins

BIN_WIDTH = 0.5
"""The width of a bin of epsilon, in nats."""

MIN_MODELS = 32
"""F is null for a fleet of fewer models."""

BLOCK_POINTS = 2048
"""The number of points that are in memory at once."""


def epsilons(
    unlearned_margins: np.ndarray, oracle_margins: np.ndarray, *, compat: bool = False
) -> np.ndarray:
    """The epsilon of each point, P, in 0..50; NaN where no rule counts.

    The rules are single thresholds between all neighbours of the joint sorted margins, in both
    orientations. So an increasing map of the margins changes nothing. Where no margin of one fleet
    lies within the range of the other, epsilon is 50. Where all margins are equal it is 0.

    Args:
        unlearned_margins: N x P.
        oracle_margins: M x P.
        compat: Use the rules of the released code: thresholds and intervals on a grid of .01 nats,
            and 50 where the range of one fleet is below 1 % of the other's.

    Raises:
        ValueError: A margin is not finite, the fleets differ in their points, or one is empty.
    """
    check_margins(unlearned_margins, oracle_margins)
    if not len(unlearned_margins) or not len(oracle_margins):
        raise ValueError("epsilons: a fleet without models; allowed is 1 model or more")
    point_epsilons = grid_epsilons if compat else _cut_epsilons
    blocks = [point_epsilons(*fleets) for fleets in _blocks(unlearned_margins, oracle_margins)]
    return np.concatenate([np.empty(0), *blocks])


def points(values: np.ndarray, models: int) -> np.ndarray:
    """What each point earns for its epsilon: 1, 1/2, 1/4, ... by bin, 0 from the end of the bins.

    The bins end at ln(models - 1), rounded up. NaN stays NaN.

    Args:
        values: epsilons, P.
        models: The size of the smaller fleet, at least 2.
    """
    end = np.ceil(np.log(models - 1))
    return np.where(values >= end, 0.0, 0.5 ** np.floor(values / BIN_WIDTH))


def forgetting_quality(
    unlearned_margins: np.ndarray, oracle_margins: np.ndarray, *, compat: bool = False
) -> Finding:
    """F: the mean of what the points of the forget set earn, in 0..1.

    Args:
        unlearned_margins: N x P of the forget set.
        oracle_margins: M x P.
        compat: Use the rules of the released code; see `epsilons`.

    Returns:
        F with the size of the smaller fleet. None below `MIN_MODELS` models, for no points, and
        where no point has a rule that counts.
    """
    models = min(len(unlearned_margins), len(oracle_margins))
    if models < MIN_MODELS:
        reason = f"{models} models in the smaller fleet; forgetting quality needs {MIN_MODELS}"
        return Finding(None, n=models, reason=reason)
    values = epsilons(unlearned_margins, oracle_margins, compat=compat)
    if not len(values):
        return Finding(None, n=models, reason="no points")
    if np.isnan(values).all():
        return Finding(None, n=models, reason="no rule counts for any point")
    return Finding(float(np.nanmean(points(values, models))), n=models)


def challenge_score(
    quality: Finding, retain_accuracies: tuple[float, float], test_accuracies: tuple[float, float]
) -> Finding:
    """F times the ratios of retain and test accuracy, unlearned over oracle.

    Args:
        quality: F of `forgetting_quality`.
        retain_accuracies: Mean accuracy on the retain set of unlearned models and of oracles, 0..1.
        test_accuracies: The same on the test set.

    Returns:
        The score; None where F is None or an oracle accuracy is 0.
    """
    if quality.value is None:
        return quality
    score = quality.value
    for split, (unlearned, oracle) in (("retain", retain_accuracies), ("test", test_accuracies)):
        if not oracle:
            return Finding(None, n=quality.n, reason=f"accuracy of the oracles on {split}: 0")
        score *= unlearned / oracle
    return Finding(score, n=quality.n)


def _blocks(
    unlearned_margins: np.ndarray, oracle_margins: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both fleets transposed, points x models, float64, `BLOCK_POINTS` points at a time."""
    for start in range(0, unlearned_margins.shape[1], BLOCK_POINTS):
        block = slice(start, start + BLOCK_POINTS)
        unlearned = unlearned_margins[:, block].T.astype(np.float64)
        yield unlearned, oracle_margins[:, block].T.astype(np.float64)


def _cut_epsilons(unlearned: np.ndarray, oracles: np.ndarray) -> np.ndarray:
    """Epsilons of all cuts between neighbours; margins are points x models."""
    table = rule_epsilons(oracles.shape[1], unlearned.shape[1])
    both = np.maximum(table, table[::-1, ::-1])
    values = best_cut(unlearned, oracles, both)
    is_constant = (unlearned == oracles[:, :1]).all(axis=1) & (oracles == oracles[:, :1]).all(
        axis=1
    )
    is_apart = _has_none_within(unlearned, oracles) | _has_none_within(oracles, unlearned)
    return np.where(is_constant, 0.0, np.where(is_apart, MAX_EPSILON, values))


def _has_none_within(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Whether no outer margin lies within the range of the inner ones, for each point.

    A range of zero width holds nothing, so that a constant fleet is apart from any other.
    """
    low = inner.min(axis=1, keepdims=True)
    high = inner.max(axis=1, keepdims=True)
    is_within = (outer >= low) & (outer <= high) & (low < high)
    return ~is_within.any(axis=1)
