"""Wide tables: one row a variant, one column a metric on a split.

They are made from the long table of `unlearn.evaluation.tables`. The rows of one request stand
together, in the order of that table. Of a stream there is the last step.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unlearn.evaluation import formatting
from unlearn.metrics.catalogue import METRICS

ROW_COLUMNS = ("dataset", "model", "variant", "method.guarantee", "method.reads", "request", "step")
"""The columns that say what a row of a wide table is about, where the long one has them."""

REQUEST_COLUMNS = ["dataset", "model", "request"]
"""The columns that the rows of one request share."""

SHORT_NAMES = {"method.guarantee": "guarantee", "method.reads": "reads"}
"""The names of columns in text."""

NUMBERS = ("mean", "ci_low", "ci_high", "n", "draws")
"""The columns of the long table that each metric on a split has in a wide one."""

RANKS = ("rank", "rank_low", "rank_high", "rank_group")
"""Those that the metrics have besides by which methods are ranked."""


def wide_numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """`mean`, `ci_low`, `ci_high`, `n` and `draws` of each column `metric/split`.

    They are empty without a value. Percentages are fractions. `failed` and `diverged` count models
    of the whole row.
    """
    last_steps = _by_request(_last_steps(table))
    row_columns = _row_columns(table)
    counts = last_steps.groupby(row_columns, dropna=False, sort=False)[["failed", "diverged"]]
    wide = counts.max().reset_index()
    for column in columns:
        values = _values(last_steps, column)
        names = {name: f"{column}/{name}" for name in (*NUMBERS, *RANKS * _has_ranks(values))}
        values = values[[*row_columns, *names]]
        wide = wide.merge(values.rename(columns=names), on=row_columns, how="left")
    return wide


def wide_text(table: pd.DataFrame, columns: Sequence[str], space: str = " ") -> pd.DataFrame:
    """The same as text, `mean ± half of the interval` with `space` in it, under short names.

    Columns whose value all rows share are left out.
    """
    last_steps = _by_request(_last_steps(table))
    row_columns = _row_columns(table)
    wide = last_steps[row_columns].drop_duplicates().reset_index(drop=True)
    for column in columns:
        values = _values(last_steps, column)
        texts = [formatting.row_text(row, space) for row in values.to_dict("records")]
        is_percentage = METRICS[column.split("/")[0]].is_percentage
        head = f"{column} (%)" if is_percentage else column
        texts_by_row = values[row_columns].assign(**{head: texts})
        if _has_ranks(values):
            ranks = [formatting.rank_text(row) for row in values.to_dict("records")]
            texts_by_row[f"rank by {column}"] = ranks
        wide = wide.merge(texts_by_row, on=row_columns, how="left")
    constant_columns = [
        name for name in row_columns if name != "variant" and wide[name].nunique() == 1
    ]
    wide = wide.drop(columns=constant_columns).astype(object).fillna("")
    return wide.rename(columns=SHORT_NAMES)


def _row_columns(table: pd.DataFrame) -> list[str]:
    """The columns that say what a row is about."""
    return [name for name in ROW_COLUMNS if name in table]


def _has_ranks(values: pd.DataFrame) -> bool:
    """Whether methods are ranked by a metric on a split."""
    return "rank" in values and bool(values["rank"].notna().any())


def _last_steps(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last step of every request."""
    return table[table["step"] == table.groupby("request")["step"].transform("max")]


def _by_request(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with those of one request together; requests and their rows keep their order."""
    requests = rows.groupby(REQUEST_COLUMNS, dropna=False, sort=False).ngroup()
    return rows.iloc[np.argsort(requests, kind="stable")]


def _values(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of a metric on a split, `metric/split`."""
    metric, split = column.split("/")
    return table[(table["metric"] == metric) & (table["split"] == split)]
