"""The text of the column `flags`: what calls for a second look at a row of a table."""

import pandas as pd

from unlearn.evaluation import controls
from unlearn.evaluation.columns import CELL_COLUMNS, SEPARATOR
from unlearn.metrics.gate_rows import GATES

MIN_SEEDS = 5
"""Training seeds below which a value is flagged as weakly replicated."""

REPLICATION_FLAG = f"n < {MIN_SEEDS}"

FLOOR_FLAG = "below floor"


def flag_texts(table: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """For each row of a table the names of its flags; empty text without one.

    Args:
        table: the rows, with their floors; where it has `flags`, they come first.
        scores: the scores of all cells, in which the gates of a cell are metrics.
    """
    names_by_metric = {metric.name: metric.title for metric in GATES}
    gate_rows = scores[scores["metric"].isin(names_by_metric) & (scores["value"] == 1)]
    gates_by_cell: dict[tuple, list[str]] = {}
    columns = [*CELL_COLUMNS, "metric"]
    for *cell, metric in gate_rows[columns].drop_duplicates().itertuples(index=False, name=None):
        names = gates_by_cell.setdefault(tuple(cell), [])
        names.append(names_by_metric[metric])
    cells = table[list(CELL_COLUMNS)].itertuples(index=False, name=None)
    is_below_floor = controls.below_floor(table)
    is_flagged = "flags" in table
    row_flags = table["flags"].fillna("") if is_flagged else pd.Series("", table.index)
    texts = []
    columns = zip(cells, row_flags, is_below_floor, table["n"], strict=True)
    for cell, text, is_below, n in columns:
        row_names = text.split(SEPARATOR) if text else []
        names = list(dict.fromkeys([*row_names, *gates_by_cell.get(cell, [])]))
        names += [FLOOR_FLAG] * bool(is_below)
        names += [REPLICATION_FLAG] * (0 < n < MIN_SEEDS)
        texts.append(SEPARATOR.join(names))
    return texts
