"""How alike two rankings are: Kendall's tau-b, and its interval over what is ranked."""

from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
"""Bootstrap samples of an interval."""

MIN_ITEMS_OF_INTERVAL = 4
"""With fewer ranked items nearly every bootstrap sample is a tie."""

INTERVAL_PERCENTS = (2.5, 97.5)
"""The percentiles at the ends of an interval."""


class RankCorrelation(NamedTuple):
    """A mean tau over groups and the ends of its 95 % interval; NaN where there is none."""

    tau: float
    low: float
    high: float
    items: int
    """The items with both values in some group."""
    groups: int
    """The groups that have a tau."""


def kendall_taus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of two arrays, R x N: 1 for the same order, -1 for the opposite.

    Items without both values do not count. NaN where one row has no two values that differ.

    References:
        Kendall, The treatment of ties in ranking problems, 1945.
    """
    has_both = np.isfinite(first) & np.isfinite(second)
    pairs = np.triu_indices(first.shape[1], 1)
    first_signs, second_signs = (
        _signs(np.where(has_both, values, np.nan), pairs) for values in (first, second)
    )
    concordance = (first_signs * second_signs).sum(axis=1)
    scale = np.sqrt(np.count_nonzero(first_signs, axis=1) * np.count_nonzero(second_signs, axis=1))
    taus = np.full(len(first), np.nan)
    np.divide(concordance, scale, out=taus, where=scale > 0)
    return taus


def mean_kendall_tau(first: np.ndarray, second: np.ndarray, seed: int) -> RankCorrelation:
    """The mean tau of G groups of the same N items, and its interval over the items.

    The interval is of the percentile bootstrap: a sample draws the same items in all groups.

    Args:
        first: the values of one metric, G x N; NaN where there is none.
        second: those of the other metric, G x N.
        seed: the seed of the bootstrap samples.
    """
    has_both = np.isfinite(first) & np.isfinite(second)
    items = np.flatnonzero(has_both.any(axis=0))
    taus = kendall_taus(first, second)
    groups = int(np.isfinite(taus).sum())
    if not groups:
        return RankCorrelation(np.nan, np.nan, np.nan, len(items), 0)
    tau = float(np.nanmean(taus))
    if len(items) < MIN_ITEMS_OF_INTERVAL:
        return RankCorrelation(tau, np.nan, np.nan, len(items), groups)
    generator = np.random.default_rng(seed)
    shares = np.full(len(items), 1 / len(items))
    counts = generator.multinomial(len(items), shares, RESAMPLES)
    drawn_items = np.repeat(np.tile(items, RESAMPLES), counts.ravel()).reshape(RESAMPLES, -1)
    samples = np.array(
        [kendall_taus(x[drawn_items], y[drawn_items]) for x, y in zip(first, second, strict=True)]
    )
    has_tau = np.isfinite(samples)
    sums = np.where(has_tau, samples, 0.0).sum(axis=0)
    is_ranked = has_tau.any(axis=0)
    means = sums[is_ranked] / has_tau.sum(axis=0)[is_ranked]
    low, high = np.percentile(means, INTERVAL_PERCENTS)
    return RankCorrelation(tau, float(low), float(high), len(items), groups)


def _signs(values: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Which item of each pair is larger, R x pairs: -1, 0 or 1; 0 for NaN."""
    first, second = (values[:, items] for items in pairs)
    return (first > second).astype(np.int8) - (first < second).astype(np.int8)
