"""The decision rules of the released code of the unlearning challenge; see `forgetting_quality`.

Their thresholds lie on a grid in absolute units of the margin, so rescaled margins have other
epsilons. All margins are points x models, float64.
"""

import numpy as np

from unlearn.metrics.epsilon import GRID_ROUNDING, MAX_EPSILON, NO_RULE, best_cut, rule_epsilons

THRESHOLDS_PER_NAT = 100
"""The density of the grid."""

WINDOW_NATS = 2.0
"""The ends of intervals lie within this distance of those of the narrower fleet."""

MIN_RANGE_RATIO = 0.01
"""Epsilon is 50 where one fleet's range is a smaller part of the other's."""


def grid_epsilons(unlearned: np.ndarray, oracles: np.ndarray) -> np.ndarray:
    """The epsilon of each point by the released rules, in 0..50; NaN where no rule counts.

    A threshold calls the larger margins those of the fleet with the larger median. An interval
    calls the margins inside those of the fleet with the smaller range. Margins that are all equal
    give 0.
    """
    widths = np.ptp(unlearned, axis=1)
    oracle_widths = np.ptp(oracles, axis=1)
    large = np.maximum(widths, oracle_widths)
    small = np.minimum(widths, oracle_widths)
    is_peaked = small < MIN_RANGE_RATIO * large
    values = np.fmax(
        _threshold_epsilons(unlearned, oracles), _interval_epsilons(unlearned, oracles)
    )
    is_constant = (large == 0) & (unlearned[:, 0] == oracles[:, 0])
    values = np.where(is_peaked, MAX_EPSILON, values)
    return np.where(is_constant, 0.0, values)


def _threshold_epsilons(unlearned: np.ndarray, oracles: np.ndarray) -> np.ndarray:
    """The largest epsilon of the thresholds on the grid over the joint range."""
    low = np.minimum(unlearned.min(axis=1), oracles.min(axis=1))
    high = np.maximum(unlearned.max(axis=1), oracles.max(axis=1))
    counts = np.ceil((high - low) * THRESHOLDS_PER_NAT)
    step = (high - low) / np.maximum(counts - 1, 1)
    step = np.where((counts > 1) & (step > 0), step, 2 * (high - low) + 1)
    table = rule_epsilons(oracles.shape[1], unlearned.shape[1])
    grid = (low, step)
    values = best_cut(unlearned, oracles, table, grid)
    mirror_values = best_cut(unlearned, oracles, table[::-1, ::-1], grid)
    is_above = np.median(unlearned, axis=1) >= np.median(oracles, axis=1)
    return np.where(is_above, values, mirror_values)


def _interval_epsilons(unlearned: np.ndarray, oracles: np.ndarray) -> np.ndarray:
    """The largest epsilon of the intervals around the fleet with the smaller range."""
    values = np.full(len(unlearned), np.nan)
    is_narrow = np.ptp(unlearned, axis=1) < np.ptp(oracles, axis=1)
    for is_chosen, peak, other in (
        (is_narrow, unlearned, oracles),
        (~is_narrow, oracles, unlearned),
    ):
        values[is_chosen] = _window_epsilons(peak[is_chosen], other[is_chosen])
    return values


def _window_epsilons(peak: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest epsilon of intervals that call the margins inside those of `peak`.

    Right ends lie `WINDOW_NATS` around the maximum of `peak`. Left ends lie as far around the
    right end less the range of `peak`; so both ends are on grids with one step.
    """
    ends = int(2 * WINDOW_NATS * THRESHOLDS_PER_NAT)
    step = 2 * WINDOW_NATS / (ends - 1)
    right_start = peak.max(axis=1) - WINDOW_NATS
    left_start = peak.min(axis=1) - 2 * WINDOW_NATS
    table = rule_epsilons(other.shape[1], peak.shape[1]).ravel()
    columns = peak.shape[1] + 1
    peak_right, other_right = (
        _right_end_counts(fleet, right_start, step, ends) for fleet in (peak, other)
    )
    peak_left, other_left = (
        _left_end_counts(fleet, left_start, step, 2 * ends - 1) for fleet in (peak, other)
    )
    offsets = step * np.arange(ends)
    is_interval = offsets <= np.ptp(peak, axis=1)[:, None] + WINDOW_NATS
    empty_place = columns - 1  # the rule that calls no margin those of `peak`: it does not count
    right_places = other_right * columns + peak.shape[1] - peak_right
    left_places = other_left * columns - peak_left
    best = np.full((len(peak), ends), NO_RULE)
    for i in range(ends):
        places = right_places[:, i, None] - left_places[:, i : i + ends]
        np.maximum(best, table[np.where(is_interval, places, empty_place)], out=best)
    best = best.max(axis=1)
    return np.where(best == NO_RULE, np.nan, best)


def _left_end_counts(fleet: np.ndarray, start: np.ndarray, step: float, ends: int) -> np.ndarray:
    """The number of margins below each of the left ends, points x ends."""
    places = np.floor((fleet - start[:, None]) / step + GRID_ROUNDING) + 1
    return _cumulative_counts(places, ends)


def _right_end_counts(fleet: np.ndarray, start: np.ndarray, step: float, ends: int) -> np.ndarray:
    """The number of margins at or below each of the right ends, points x ends."""
    places = np.ceil((fleet - start[:, None]) / step - GRID_ROUNDING)
    return _cumulative_counts(places, ends)


def _cumulative_counts(places: np.ndarray, ends: int) -> np.ndarray:
    """The number of places of each row that are k or less, for k from 0 to ends - 1."""
    rows = len(places)
    flat_places = np.clip(places, 0, ends).astype(np.int64) + (ends + 1) * np.arange(rows)[:, None]
    counts = np.bincount(flat_places.ravel(), minlength=rows * (ends + 1))
    return counts.reshape(rows, ends + 1).cumsum(axis=1)[:, :ends]
