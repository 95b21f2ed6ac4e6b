"""Wide tables: one row a variant, one column a metric on a split."""

from collections.abc import Sequence

import pandas as pd

from unlearn.evaluation import formatting, placement

ROW = ["dataset", "model", "variant", "method.guarantee", "request", "step"]
"""What a row of a wide table is about; what all rows share is left out of the shown ones."""


def wide(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Numbers: `mean`, `ci_low`, `ci_high` and `n` of each column `metric/split`; empty without a
    value. Percentages are fractions; `failed` and `diverged` count seeds of the whole row.

    Rows keep the order of the table of `unlearn.evaluation.tables`; of a stream the last step is kept.
    """
    last = table[table["step"] == table.groupby("request")["step"].transform("max")]
    rows = last[[*ROW, "failed", "diverged"]].drop_duplicates().reset_index(drop=True)
    for column in columns:
        metric, split = column.split("/")
        part = last[(last["metric"] == metric) & (last["split"] == split)]
        names = {name: f"{column}/{name}" for name in ("mean", "ci_low", "ci_high", "n")}
        values = part[[*ROW, *names]]
        rows = rows.merge(values.rename(columns=names), on=ROW, how="left")
    return rows


def readable(table: pd.DataFrame, columns: Sequence[str], space: str = " ") -> pd.DataFrame:
    """The same as text, `mean ± half of the interval` with `space` in it, under short names."""
    last = table[table["step"] == table.groupby("request")["step"].transform("max")]
    rows = last[ROW].drop_duplicates().reset_index(drop=True)
    for column in columns:
        metric, split = column.split("/")
        part = last[(last["metric"] == metric) & (last["split"] == split)]
        text = [formatting.shown(row, space) for row in part.to_dict("records")]
        head = f"{column} (%)" if metric in placement.PERCENT else column
        rows = rows.merge(part[ROW].assign(**{head: text}), on=ROW, how="left")
    shared = [name for name in ROW if name != "variant" and rows[name].nunique() == 1]
    rows = rows.drop(columns=shared).astype(object).fillna("")
    return rows.rename(columns={"method.guarantee": "guarantee"})
