"""The epsilon of decision rules, from how often they err; see `forgetting_quality`."""

import numpy as np

DELTA = 1e-5
"""The delta of (epsilon, delta)-indistinguishability."""

MAX_EPSILON = 50.0
"""The epsilon of a rule that never errs, and the upper end of the range."""

GRID_ROUNDING = 1e-9
"""Margins so close to a threshold, in steps of the grid, count as equal to it."""

NO_RULE = -1.0
"""Stands for a rule that does not count."""


def rule_epsilons(oracles: int, unlearned: int) -> np.ndarray:
    """The epsilon of every rule, (oracles + 1) x (unlearned + 1), `NO_RULE` for those dropped.

    Entry (a, b) is that of a rule which errs on a of the oracles and b of the unlearned models.
    """
    false_positive_rates = np.arange(oracles + 1) / oracles
    false_negative_rates = np.arange(unlearned + 1) / unlearned
    return _epsilons(false_positive_rates, false_negative_rates)


def best_cut(
    unlearned: np.ndarray,
    oracles: np.ndarray,
    table: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """The largest epsilon of a single threshold, for each point; NaN where none counts.

    Args:
        unlearned: margins, points x N.
        oracles: margins, points x M.
        table: (M + 1) x (N + 1); entry (a, b) is the epsilon of a rule which calls those above the
            threshold unlearned, with a oracles above it and b unlearned models below it.
        grid: Start and step of the thresholds of each point. None for a threshold between any two
            neighbours that differ.
    """
    pool = np.concatenate([unlearned, oracles], axis=1)
    order = np.argsort(pool, axis=1)
    pool = np.take_along_axis(pool, order, axis=1)
    if grid is not None:
        start, step = grid
        pool = np.floor((pool - start[:, None]) / step[:, None] + GRID_ROUNDING)
    is_cut = pool[:, :-1] < pool[:, 1:]
    unlearned_below = np.cumsum(order[:, :-1] < unlearned.shape[1], axis=1)
    oracles_below = np.arange(1, pool.shape[1]) - unlearned_below
    values = table[oracles.shape[1] - oracles_below, unlearned_below]
    best = np.where(is_cut, values, NO_RULE).max(axis=1, initial=NO_RULE)
    return np.where(best == NO_RULE, np.nan, best)


def _epsilons(false_positive_rates: np.ndarray, false_negative_rates: np.ndarray) -> np.ndarray:
    """The epsilon for every pair of two lists of rates, `NO_RULE` for rules that are dropped."""
    fpr = false_positive_rates[:, None]
    fnr = false_negative_rates[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.log(np.maximum(1 - DELTA - fpr, 0)) - np.log(fnr)
        second = np.log(np.maximum(1 - DELTA - fnr, 0)) - np.log(fpr)
        epsilon = np.clip(np.fmax(first, second), 0, MAX_EPSILON)
    is_perfect = (fpr == 0) & (fnr == 0)
    is_dropped = (fpr == 0) ^ (fnr == 0)
    return np.where(is_perfect, MAX_EPSILON, np.where(is_dropped, NO_RULE, epsilon))
