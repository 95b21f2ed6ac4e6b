"""How stable the ranks of methods are when other models had been trained.

Smaller values are better: negate accuracies. A signed value is as good as it is near 0. Ranks begin
at 1; equal values share the mean of their ranks.
"""

from dataclasses import dataclass

import numpy as np

from unlearn.metrics.bootstrap import RESAMPLES, SEED, Interval, unit_counts
from unlearn.metrics.rank_correlation import kendall_taus

RANK_TAIL = 0.05
"""The probability beyond each end of a rank interval: the intervals hold 90 %."""

TAU_TAIL = 0.025
"""The probability beyond each end of an interval of tau: the intervals hold 95 %."""

MIN_MODELS = 2
"""With fewer models nothing can be resampled."""

HALVINGS = 1000
"""The number of random halvings of the models."""


@dataclass(frozen=True)
class RankInterval:
    """Where a method stands among others, and how sure that is."""

    rank: float
    """The rank of the mean over models."""
    low: float
    """Lower end of the 90 % interval of the rank."""
    high: float
    """Upper end of the 90 % interval of the rank."""
    best_probability: float
    """Share of resamples in which the method is the best; equal ones share it."""
    letters: str
    """Methods with a letter in common have rank intervals that overlap."""


@dataclass(frozen=True)
class TauInterval:
    """Kendall's tau between two rankings, and its 95 % interval."""

    tau: float
    low: float
    high: float


def rank_intervals(values: np.ndarray, *, is_signed: bool = False) -> list[RankInterval] | None:
    """The rank interval of each method, by a bootstrap over models.

    Args:
        values: methods x models. Column s of all methods belongs to the same seed. A model counts
            where every method has a finite value.
        is_signed: whether the mean that is nearest to 0 is the best.

    Returns:
        One for each method; None for fewer than two models that count.
    """
    common_values = _common_models(values)
    models = common_values.shape[1]
    if models < MIN_MODELS:
        return None
    means = unit_counts(models) @ common_values.T / models
    return _intervals(means, common_values.mean(axis=1), is_signed=is_signed)


def rank_intervals_of_means(
    means: np.ndarray, errors: np.ndarray, degrees: np.ndarray, *, is_signed: bool = False
) -> list[RankInterval]:
    """The rank interval of each method, from a mean and its standard error alone.

    The errors of methods count as independent. They share models, so the intervals err on the wide
    side.

    Args:
        means: the value of each method.
        errors: their standard errors.
        degrees: the degrees of freedom of these.
        is_signed: whether the mean that is nearest to 0 is the best.
    """
    generator = np.random.default_rng(SEED)
    deviates = generator.standard_t(degrees, size=(RESAMPLES, len(means)))
    return _intervals(means + errors * deviates, means, is_signed=is_signed)


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each column within its row, from 1; equal values share their mean rank."""
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    return below + (equal + 1) / 2


def group_letters(low: np.ndarray, high: np.ndarray) -> list[str]:
    """Letters such that two intervals overlap just where they have a letter in common.

    `low` and `high` are the ends of the intervals. The letter a is that of the lowest group; from
    the 27th group on a letter is followed by a number.
    """
    groups: list[np.ndarray] = []
    for start in np.unique(low):
        group = (low <= start) & (high >= start)
        if not any((group <= larger).all() for larger in groups):
            groups = [smaller for smaller in groups if not (smaller <= group).all()]
            groups.append(group)
    names = [chr(ord("a") + i % 26) + (str(i // 26) if i >= 26 else "") for i in range(len(groups))]
    return [
        "".join(name for name, group in zip(names, groups, strict=True) if group[method])
        for method in range(len(low))
    ]


def halves_tau(values: np.ndarray, *, is_signed: bool = False) -> TauInterval | None:
    """Kendall's tau between the rankings by two random halves of the models.

    Args:
        values: methods x models.
        is_signed: whether the mean that is nearest to 0 is the best.

    Returns:
        The mean over `HALVINGS` random halvings, and the range that holds 95 % of them. None for
        fewer than two methods or two models with all values.
    """
    common_values = _common_models(values)
    methods, models = common_values.shape
    half = models // 2
    if methods < 2 or half < 1:
        return None
    generator = np.random.default_rng(SEED)
    order = generator.permuted(np.tile(np.arange(models), (HALVINGS, 1)), axis=1)
    halves = (order[:, :half], order[:, half : 2 * half])
    means = [common_values[:, half_models].mean(axis=2).T for half_models in halves]
    taus = kendall_taus(*map(np.abs, means)) if is_signed else kendall_taus(*means)
    return None if np.isnan(taus).all() else TauInterval(np.nanmean(taus), *_percentiles(taus))


def _intervals(resamples: np.ndarray, means: np.ndarray, *, is_signed: bool) -> list[RankInterval]:
    """The rank intervals of methods from resampled means, resamples x methods, and the means."""
    if is_signed:
        resamples = np.abs(resamples)
        means = np.abs(means)
    ranks = mean_ranks(resamples)
    is_best = resamples == resamples.min(axis=1, keepdims=True)
    best = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    low = np.quantile(ranks, RANK_TAIL, axis=0, method="lower")
    high = np.quantile(ranks, 1 - RANK_TAIL, axis=0, method="higher")
    columns = zip(mean_ranks(means[None])[0], low, high, best, strict=True)
    return [
        RankInterval(*map(float, column), letters=letter)
        for column, letter in zip(columns, group_letters(low, high), strict=True)
    ]


def _percentiles(taus: np.ndarray) -> Interval:
    """The ends of the range that holds 95 % of the values."""
    low, high = np.nanquantile(taus, [TAU_TAIL, 1 - TAU_TAIL])
    return Interval(float(low), float(high))


def _common_models(values: np.ndarray) -> np.ndarray:
    """The columns in which every method has a finite value."""
    return values[:, np.isfinite(values).all(axis=0)]
