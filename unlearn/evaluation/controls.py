"""Columns that set a value beside its controls: the floor, doing nothing, and what lies between.

They are made from rows of any origin with the columns of a cell, `metric`, `split`, `mean`,
`ci_low`, `ci_high` and `n`: of scores, of audits of populations. A row is compared with the
controls of its trainer.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn.evaluation import placement
from unlearn.evaluation.placement import original_of
from unlearn.metrics.catalogue import METRICS, floor
from unlearn.metrics.metric import Metric
from unlearn.metrics.significance import holm
from unlearn.metrics.statistics import BOOTSTRAP_MIN_UNITS, UPPER_PROBABILITY

GROUP = ["dataset", "model", "request", "sampler", "rate", "step"]
"""The columns that a cell shares with its controls."""

COLUMNS = ("floor", "floor_low", "floor_high", "nothing", "normalised")
"""The columns that `with_controls` adds."""

STANDARD_ORACLE = "retrain"
"""The oracle of variants for which a table names none."""

MIN_STANDARD_ERRORS = 2.0
"""Standard errors between doing nothing and the floor from which on values are normalised, where
both are of so many models that their intervals are those of a bootstrap."""

MAX_PRIMARY_METRICS = 4
"""Metrics of a table whose tests are corrected for each other."""

_KEYS = [*GROUP, "metric", "split"]


def is_quality(metric: Metric) -> bool:
    """Whether a metric says how good an unlearned model is: no cost, no flag, no floor."""
    is_about_models = metric.is_about_points or metric.splits == ("weights",)
    return is_about_models and metric.better is not None and not metric.speedup_of


def with_controls(rows: pd.DataFrame, oracles: Mapping[str, str]) -> pd.DataFrame:
    """Rows with the value of their floor, that of doing nothing, and their place between the two.

    The floor is what another retraining gets. Of a metric that has a floor in the catalogue it is
    that; of one whose right value is the oracle's, and of one of populations, it is the oracle's;
    others have none.

    Args:
        rows: the rows, those of controls and floors among them.
        oracles: by variant its oracle; `retrain` where it is missing.

    Returns:
        The rows with `floor`, `floor_low`, `floor_high`, `nothing` and `normalised`, which is
        (mean - floor) / (nothing - floor). It is empty where that denominator is below two standard
        errors, or has none. Of fewer than 10 models it must reach the end of a 95 % t interval.
    """
    oracle_names = rows["variant"].map(lambda name: oracles.get(name, STANDARD_ORACLE))
    floors = _rows_of(rows, oracle_names, rows["metric"].map(_floor_metric))
    originals = _rows_of(rows, oracle_names.map(original_of), rows["metric"])
    difference = originals["mean"] - floors["mean"]
    with np.errstate(divide="ignore", invalid="ignore"):
        normalised = (rows["mean"].to_numpy(float) - floors["mean"]) / difference
    is_known = (np.abs(difference) >= _least_difference(originals, floors)) & (difference != 0)
    return rows.assign(
        floor=floors["mean"],
        floor_low=floors["ci_low"],
        floor_high=floors["ci_high"],
        nothing=originals["mean"],
        normalised=np.where(is_known, normalised, np.nan),
    )


def oracles_of(columns: Mapping[str, Mapping[str, Mapping]]) -> dict[str, str]:
    """The oracle of each variant whose parameters name one."""
    return {
        name: parameters["method.oracle"]
        for name, parameters in columns.get("variant", {}).items()
        if "method.oracle" in parameters
    }


def primary_metrics(metrics: Sequence[str]) -> list[str]:
    """The metrics that are tested and ranked: the first four of quality among those of a figure."""
    names = [name for name in metrics if name in METRICS and is_quality(METRICS[name])]
    return list(dict.fromkeys(names))[:MAX_PRIMARY_METRICS]


def are_controls(table: pd.DataFrame) -> pd.Series:
    """Whether the method of each row is a control."""
    records = table[["method", *({placement.ROLE} & {*table})]].to_dict("records")
    return pd.Series([placement.is_control(record) for record in records], table.index, dtype=bool)


def with_holm(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The table with `p_holm`: p values corrected over all methods and its primary metrics.

    Controls are no methods; their p values, and those of other metrics, have no corrected value.

    Args:
        table: a table with `p`.
        metrics: the metrics of the figure.
    """
    is_tested = table["metric"].isin(primary_metrics(metrics)) & table["p"].notna()
    is_tested &= ~are_controls(table)
    adjusted = pd.Series(np.nan, table.index)
    adjusted[is_tested] = holm(table.loc[is_tested, "p"].tolist())
    return _inserted(table, "p_holm", adjusted, behind="p")


def below_floor(table: pd.DataFrame) -> pd.Series:
    """Whether the interval of a value lies on the better side of that of its floor.

    That hints at a leak, or at a metric that cannot see what is unlearned. Models that are those of
    their paired oracle are exempt: their value is perfect.
    """
    better = table["metric"].map(lambda name: METRICS[name].better)
    has_floor = table["metric"].map(_has_floor).astype(bool)
    is_low = (better == "low") & (table["ci_high"] < table["floor_low"])
    is_high = (better == "high") & (table["ci_low"] > table["floor_high"])
    limits = table["metric"].map(lambda name: METRICS[name].limits)
    perfect = [pair[better_end == "high"] for pair, better_end in zip(limits, better, strict=True)]
    return has_floor & (table["mean"] != perfect) & (is_low | is_high)


def _has_floor(name: str) -> bool:
    """Whether oracles are compared with each other by a metric, or by its floor."""
    return floor(name) is not None or METRICS[name].scope == "population"


def _floor_metric(name: str) -> str | None:
    """The metric whose value for the oracle is the floor of a metric."""
    metric = METRICS[name]
    if not is_quality(metric):
        return None
    metric_floor = floor(name)
    if metric_floor is not None:
        return metric_floor.name
    return name if metric.better == "oracle" or metric.scope == "population" else None


def _rows_of(rows: pd.DataFrame, variants: pd.Series, metrics: pd.Series) -> dict[str, np.ndarray]:
    """Mean, interval and n of other rows of the group of each row; NaN where there is none.

    Args:
        rows: the rows, and those to look in.
        variants: for each row the variant to look for.
        metrics: for each row the metric to look for.
    """
    numbers = [name for name in ("mean", "ci_low", "ci_high", "n", "error") if name in rows]
    keys = rows[_KEYS].assign(variant=variants, metric=metrics.astype(object))
    sources = rows[[*_KEYS, "variant", *numbers]].drop_duplicates([*_KEYS, "variant"])
    result = keys.merge(sources, how="left", on=[*_KEYS, "variant"])
    return {name: result[name].to_numpy(float) for name in numbers}


def standard_errors(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """The standard errors of rows, or those that 95 % t intervals over n values tell."""
    if "error" in rows:
        return rows["error"]
    degrees = np.maximum(rows["n"] - 1, 1)
    half_widths = (rows["ci_high"] - rows["ci_low"]) / 2
    return half_widths / stdtrit(degrees, UPPER_PROBABILITY)


def _least_difference(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The least difference between the means of two rows that chance does not explain.

    It is a number of standard errors: `MIN_STANDARD_ERRORS`, or the t quantile where a row has few
    models, at the degrees of freedom of two samples of unequal variances.

    References:
        Welch, The generalization of Student's problem, Biometrika 34, 1947.
    """
    counts = np.stack([first["n"], second["n"]])
    variances = np.square([standard_errors(first), standard_errors(second)])
    variance = variances.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = variance**2 / (variances**2 / np.maximum(counts - 1, 1)).sum(axis=0)
    has_few_models = counts.min(axis=0) < BOOTSTRAP_MIN_UNITS
    quantiles = np.where(has_few_models, stdtrit(degrees, UPPER_PROBABILITY), MIN_STANDARD_ERRORS)
    return np.where(variance == 0, 0.0, quantiles * np.sqrt(variance))


def _inserted(table: pd.DataFrame, column: str, values: pd.Series, *, behind: str) -> pd.DataFrame:
    """The table with a column behind another one."""
    table = table.copy()
    table.insert(table.columns.get_loc(behind) + 1, column, values)
    return table
