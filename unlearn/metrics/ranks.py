"""How stable the ranks of methods are when other models had been trained.

Values are methods x models, smaller is better: negate accuracies. Column s of all methods belongs
to the same seed. Ranks begin at 1; equal means share the mean of their ranks.
"""

from dataclasses import dataclass

import numpy as np

from unlearn.metrics.bootstrap import SEED, Interval, unit_counts

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


def rank_intervals(values: np.ndarray) -> list[RankInterval] | None:
    """The rank interval of each method, by a bootstrap over models.

    Args:
        values: methods x models; a model counts where every method has a finite value.

    Returns:
        One for each method; None for fewer than two models that count.
    """
    means = _resample_means(values)
    if means is None:
        return None
    ranks = mean_ranks(means)
    is_best = means == means.min(axis=1, keepdims=True)
    best = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    low = np.quantile(ranks, RANK_TAIL, axis=0, method="lower")
    high = np.quantile(ranks, 1 - RANK_TAIL, axis=0, method="higher")
    ranks_of_data = mean_ranks(_common_models(values).mean(axis=1)[None])[0]
    letters = group_letters(low, high)
    columns = zip(ranks_of_data, low, high, best, strict=True)
    return [
        RankInterval(*map(float, column), letters=letter)
        for column, letter in zip(columns, letters, strict=True)
    ]


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


def kendall_tau(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of two arrays, rows x methods; NaN where all of a row are equal.

    References:
        Kendall, The treatment of ties in ranking problems, 1945.
    """
    pairs = np.triu_indices(first.shape[1], 1)
    first_signs = np.sign(first[:, pairs[0]] - first[:, pairs[1]])
    second_signs = np.sign(second[:, pairs[0]] - second[:, pairs[1]])
    concordance = (first_signs * second_signs).sum(axis=1)
    untied = np.abs(first_signs).sum(axis=1) * np.abs(second_signs).sum(axis=1)
    return np.where(untied > 0, concordance / np.sqrt(np.maximum(untied, 1)), np.nan)


def tau_interval(first: np.ndarray, second: np.ndarray) -> TauInterval | None:
    """Kendall's tau between the rankings of two metrics, with a bootstrap over models.

    Args:
        first: methods x models of one metric.
        second: the same of another metric, of the same models.

    Returns:
        Tau of the means and its interval. None for fewer than two methods, for fewer than two
        models with all values, and where a metric has one value for all methods.

    Raises:
        ValueError: The shapes differ.
    """
    if first.shape != second.shape:
        shapes = [" x ".join(map(str, values.shape)) for values in (first, second)]
        raise ValueError(f"tau_interval: {shapes[0]} and {shapes[1]}; allowed is one shape")
    methods = len(first)
    both = _common_models(np.concatenate([first, second]))
    means = _resample_means(both)
    if methods < 2 or means is None:
        return None
    taus = kendall_tau(means[:, :methods], means[:, methods:])
    mean = both.mean(axis=1)[None]
    tau = float(kendall_tau(mean[:, :methods], mean[:, methods:])[0])
    return None if np.isnan(tau) else TauInterval(tau, *_percentiles(taus))


def halves_tau(values: np.ndarray) -> TauInterval | None:
    """Kendall's tau between the rankings by two random halves of the models.

    Args:
        values: methods x models.

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
    first = common_values[:, order[:, :half]].mean(axis=2).T
    second = common_values[:, order[:, half : 2 * half]].mean(axis=2).T
    taus = kendall_tau(first, second)
    return None if np.isnan(taus).all() else TauInterval(np.nanmean(taus), *_percentiles(taus))


def _percentiles(taus: np.ndarray) -> Interval:
    """The ends of the range that holds 95 % of the values."""
    low, high = np.nanquantile(taus, [TAU_TAIL, 1 - TAU_TAIL])
    return Interval(float(low), float(high))


def _common_models(values: np.ndarray) -> np.ndarray:
    """The columns in which every method has a finite value."""
    return values[:, np.isfinite(values).all(axis=0)]


def _resample_means(values: np.ndarray) -> np.ndarray | None:
    """Means of the methods in each resample of the models, resamples x methods."""
    common_values = _common_models(values)
    models = common_values.shape[1]
    if models < MIN_MODELS:
        return None
    return unit_counts(models) @ common_values.T / models
