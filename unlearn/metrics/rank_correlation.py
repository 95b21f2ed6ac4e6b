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


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b of two lists of N values: 1 for the same order, -1 for the opposite one.

    Items without both values do not count. NaN where one list has no two values that differ.

    References:
        Kendall, The treatment of ties in ranking problems, 1945.
    """
    counts = np.ones((1, len(first)))
    return float(_weighted_taus(first, second, counts)[0])


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
    taus = np.array([kendall_tau(x, y) for x, y in zip(first, second, strict=True)])
    groups = int(np.isfinite(taus).sum())
    if not groups:
        return RankCorrelation(np.nan, np.nan, np.nan, len(items), 0)
    tau = float(np.nanmean(taus))
    if len(items) < MIN_ITEMS_OF_INTERVAL:
        return RankCorrelation(tau, np.nan, np.nan, len(items), groups)
    generator = np.random.default_rng(seed)
    shares = np.full(len(items), 1 / len(items))
    counts = generator.multinomial(len(items), shares, RESAMPLES).astype(float)
    samples = np.array(
        [_weighted_taus(x[items], y[items], counts) for x, y in zip(first, second, strict=True)]
    )
    has_tau = np.isfinite(samples)
    sums = np.where(has_tau, samples, 0.0).sum(axis=0)
    is_ranked = has_tau.any(axis=0)
    means = sums[is_ranked] / has_tau.sum(axis=0)[is_ranked]
    low, high = np.percentile(means, INTERVAL_PERCENTS)
    return RankCorrelation(tau, float(low), float(high), len(items), groups)


def _weighted_taus(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Tau-b of R samples, in which item i of N is there `counts[r, i]` times."""
    has_both = np.isfinite(first) & np.isfinite(second)
    x = first[has_both]
    y = second[has_both]
    sample_counts = counts[:, has_both]
    x_signs = np.sign(x[:, None] - x[None, :])
    y_signs = np.sign(y[:, None] - y[None, :])

    def pair_sums(signs: np.ndarray) -> np.ndarray:
        return ((sample_counts @ signs) * sample_counts).sum(axis=1)

    concordance = pair_sums(x_signs * y_signs)
    scale = np.sqrt(pair_sums(np.abs(x_signs)) * pair_sums(np.abs(y_signs)))
    taus = np.full(len(counts), np.nan)
    np.divide(concordance, scale, out=taus, where=scale > 0)
    return taus
