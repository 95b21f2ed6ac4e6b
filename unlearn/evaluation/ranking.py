"""Columns that say where a method stands among the others, and how sure that is.

Ranks are by distance from the right value: a mean, or its difference to the oracle. Controls have
no rank, and neither do methods without a value or whose models have collapsed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from unlearn.evaluation import controls, placement
from unlearn.evaluation.columns import SEPARATOR
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.ranks import (
    RankInterval,
    halves_tau,
    rank_intervals,
    rank_intervals_of_means,
)
from unlearn.metrics.relearning import RELEARNING_STEP

MIN_METHODS = 3
"""Methods from which on an experiment ranks them."""

MIN_MODELS = 5
"""Seeds or models a method that ranks need: fewer have too few resamples for an interval."""

COLUMNS = ("rank", "rank_low", "rank_high", "best_probability", "rank_group", "halves_tau")
"""The columns that `with_ranks` adds."""

COLLAPSE_FLAG = "collapse"
"""The flag of methods that are not ranked."""

_NUMBERS = ("mean", "ci_low", "ci_high", "n")

_GROUP = ("dataset", "model", "request", "step", "metric", "split")
"""The columns that methods share which are compared; with those of populations and relearning."""


def with_ranks(table: pd.DataFrame, scores: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The table with the rank of every method, for the primary metrics.

    Ranks of scores are of a bootstrap over seeds that all methods share, those of audits of the
    standard errors of their values.

    Args:
        table: the rows, with their controls and flags.
        scores: the scores of seeds that the table is made from; see `seed_scores`.
        metrics: the metrics of the figure, of which the first four of quality are primary.

    Returns:
        The table with `COLUMNS`: the rank and its 90 % interval, the probability of being the best,
        letters that methods share whose intervals overlap, and Kendall's tau between the rankings
        by two halves of the seeds. They are empty for fewer than three methods, and where one has
        fewer than five seeds or models.
    """
    ranks = pd.DataFrame(index=table.index, columns=list(COLUMNS), dtype=object)
    is_primary = table["metric"].isin(controls.primary_metrics(metrics))
    flags = table["flags"].fillna("").map(lambda text: COLLAPSE_FLAG in text.split(SEPARATOR))
    is_ranked = is_primary & ~controls.are_controls(table) & (table["n"] > 0) & ~flags
    seed_values = _SeedValues(scores, table)
    for _, rows in table[is_ranked].groupby(_group_columns(table), dropna=False, sort=False):
        if len(rows) < MIN_METHODS or rows["n"].min() < MIN_MODELS:
            continue
        intervals, tau = _ranking(rows, seed_values)
        for place, interval in zip(rows.index, intervals or (), strict=bool(intervals)):
            numbers = (interval.rank, interval.low, interval.high, interval.best_probability)
            ranks.loc[place] = [*numbers, interval.letters, tau]
    numbers = {name: float for name in COLUMNS if name != "rank_group"}
    place = table.columns.get_loc("flags")
    return pd.concat([table.iloc[:, :place], ranks.astype(numbers), table.iloc[:, place:]], axis=1)


class _SeedValues:
    """Values of seeds and draws, by the columns that a row of a table is about."""

    def __init__(self, scores: pd.DataFrame, table: pd.DataFrame) -> None:
        """Index the scores of the metrics of a table."""
        self.columns = [*_GROUP, "variant", *({RELEARNING_STEP} & {*table} & {*scores})]
        rows = scores[scores["metric"].isin(table["metric"].unique())]
        parts = rows.groupby(self.columns, dropna=False, sort=False)
        self.values = {_key(key): part.set_index(["seed", "draw"])["value"] for key, part in parts}

    def of(self, row: Mapping, variant: str) -> pd.Series:
        """The value of each seed and draw, of a variant in the place of the row's."""
        columns = {**row, "variant": variant}
        key = _key([columns[column] for column in self.columns])
        return self.values.get(key, pd.Series(dtype=float))


def _ranking(
    rows: pd.DataFrame, seed_values: _SeedValues
) -> tuple[list[RankInterval] | None, float]:
    """The rank intervals of the methods of some rows, and the tau of two halves of the seeds."""
    metric = METRICS[rows["metric"].iloc[0]]
    is_signed = metric.better == "oracle"
    sign = -1.0 if metric.better == "high" else 1.0
    if metric.scope == "population":
        return _audit_ranks(rows, sign, is_signed=is_signed), np.nan
    methods = []
    for row in rows.to_dict("records"):
        values = seed_values.of(row, row["variant"])
        if is_signed and metric.scope == "model":
            values = values - seed_values.of(row, _oracle(row))
        methods.append(values.groupby("seed").mean() if len(values) else values)
    matrix = sign * pd.concat(methods, axis=1).T.to_numpy(float)
    tau = halves_tau(matrix, is_signed=is_signed)
    return rank_intervals(matrix, is_signed=is_signed), np.nan if tau is None else tau.tau


def _audit_ranks(rows: pd.DataFrame, sign: float, *, is_signed: bool) -> list[RankInterval] | None:
    """The rank intervals of values of audits; None where one has no interval."""
    errors = controls.standard_errors({name: rows[name].to_numpy(float) for name in _NUMBERS})
    means = rows["mean"].to_numpy(float)
    if is_signed:
        means = means - rows["floor"].to_numpy(float)
    if not np.isfinite(means + errors).all():
        return None
    degrees = rows["n"].to_numpy(float) - 1
    return rank_intervals_of_means(sign * means, errors, degrees, is_signed=is_signed)


def _oracle(row: Mapping) -> str:
    """The oracle of the models of a row."""
    return placement.column_value(row, "method.oracle") or controls.STANDARD_ORACLE


def _key(values: Sequence) -> tuple:
    """Values as a key, in which a missing one is equal to another missing one."""
    return tuple(None if pd.isna(value) else value for value in values)


def _group_columns(table: pd.DataFrame) -> list[str]:
    """The columns that methods share which are compared."""
    more = [c for c in table if c == RELEARNING_STEP or str(c).startswith("population.")]
    return [*_GROUP, *more]
