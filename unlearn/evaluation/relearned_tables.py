"""Tables of experiments with relearning: one row for each number of steps of relearning."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.evaluation.controls import STANDARD_ORACLE
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.relearning import RELEARNING_STEP, relearning_ratio

_PAIR = ["dataset", "model", "request", "step", "seed"]
"""The columns that a model shares with its oracle."""

Summary = Callable[[pd.DataFrame, Sequence[str]], pd.DataFrame]
"""Makes the table of some metrics from scores: `tables.summarise` at the other arguments."""


def summarise_relearned(
    summary: Summary, scores: pd.DataFrame, relearned: pd.DataFrame, metrics: Sequence[str]
) -> pd.DataFrame:
    """The table of an experiment, with the column `relearning_step`.

    Metrics that have no curve have no value there. A cell that failed stays visible: it has a row
    for each number of steps that other cells have.

    Args:
        summary: Makes a table without that column.
        scores: The scores of all cells.
        relearned: The curves of all cells, as rule `relearn` writes them.
        metrics: The metrics of the table, in the order of its rows.
    """
    has_step = relearned[RELEARNING_STEP].notna()
    curves = [name for name in metrics if METRICS[name].is_curve]
    scalars = [name for name in metrics if not METRICS[name].is_curve]
    tables = []
    if scalars:
        rows = pd.concat([scores, relearned[~has_step].drop(columns=RELEARNING_STEP)])
        tables.append(summary(rows, scalars).assign(**{RELEARNING_STEP: np.nan}))
    flags = _flags_of_last_steps(scores)
    steps = sorted(relearned.loc[has_step, RELEARNING_STEP].unique()) or [np.nan]
    for step in steps if curves else ():
        rows = relearned[relearned[RELEARNING_STEP] == step].drop(columns=RELEARNING_STEP)
        table = summary(pd.concat([flags, rows]), curves)
        tables.append(table.assign(**{RELEARNING_STEP: step}))
    return _in_order(pd.concat(tables), metrics)


def with_ratios(relearned: pd.DataFrame, oracles: Mapping[str, str]) -> pd.DataFrame:
    """The curves with `relearning_ratio`: the steps of each seed as a multiple of its oracle's.

    Args:
        relearned: The curves of all cells, as rule `relearn` writes them.
        oracles: By variant its oracle; `retrain` where it is missing.
    """
    steps = relearned[relearned["metric"] == "relearning_steps"]
    names = steps["variant"].map(lambda name: oracles.get(name, STANDARD_ORACLE)).astype(object)
    oracle_steps = steps[[*_PAIR, "variant", "value"]]
    oracle_steps = oracle_steps.rename(columns={"variant": "oracle", "value": "oracle_steps"})
    pairs = steps.assign(oracle=names).merge(
        oracle_steps.drop_duplicates([*_PAIR, "oracle"]), how="left", on=[*_PAIR, "oracle"]
    )
    missing_as_none = pairs[["value", "oracle_steps"]].astype(object).where(pairs.notna(), None)
    ratios = [relearning_ratio(*pair) for pair in missing_as_none.itertuples(index=False)]
    rows = steps.assign(metric="relearning_ratio", value=np.array(ratios, float))
    return pd.concat([relearned, rows], ignore_index=True)


def _flags_of_last_steps(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores that say which models failed or diverged, after the last step of a request."""
    is_last = scores["step"] == scores.groupby("request")["step"].transform("max")
    is_flag = scores["metric"].map(lambda name: METRICS[name].is_flag)
    return scores[is_last & is_flag]


def _in_order(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows by metric and split, cells as they come; the new column follows those of a cell."""
    ranks = {name: rank for rank, name in enumerate(metrics)}
    table = table.assign(_metric_rank=table["metric"].map(ranks))
    table = table.sort_values(["_metric_rank", "split"], kind="stable").reset_index(drop=True)
    table = table.drop(columns="_metric_rank")
    table.insert(len(CELL_COLUMNS), RELEARNING_STEP, table.pop(RELEARNING_STEP).astype("Int64"))
    return table
