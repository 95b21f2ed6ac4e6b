"""The panels of a figure: which rows of a table each of them shows."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from unlearn.evaluation import placement

FIELDS = ("metric", "split", "dataset", "model")
"""The fields that can have separate panels, in the order of their values in a title."""


class Panel(NamedTuple):
    """One panel."""

    place: dict
    """The values that its rows share and other panels do not have, by column."""
    rows: pd.DataFrame
    """Its rows, with the columns `line` (a name) and `shade` (what the colour stands for)."""


def panels(table: pd.DataFrame, figure: Mapping) -> list[Panel]:
    """The panels of a figure block, in the order of the table.

    Of a stream they show the last step, unless `step` or `points` is on an axis. A figure without
    rows has no panels.
    """
    rows = _rows(table, figure)
    if rows.empty:
        return []
    facet = figure["facet"]
    is_shared = pd.Series(
        [placement.is_in_every_panel(record, figure) for record in rows.to_dict("records")],
        rows.index,
        dtype=bool,
    )
    fields = _fields(rows, figure)
    if not fields:
        return [Panel({}, rows)]
    panel_list = []
    for values in rows.loc[~is_shared, fields].drop_duplicates().to_dict("records"):
        place = {column: placement.column_value(values, column) for column in values}
        is_inside = pd.Series(True, rows.index)
        for column, value in place.items():
            is_equal = rows[column].isna() if value is None else rows[column] == value
            is_inside &= is_equal | is_shared if column == facet else is_equal
        panel_list.append(Panel(place, rows[is_inside]))
    return panel_list


def _rows(table: pd.DataFrame, figure: Mapping) -> pd.DataFrame:
    """The rows that the figure draws, with their line and shade."""
    if not placement.axes(figure) & {"step", "points"}:
        table = table[table["step"] == table.groupby("request")["step"].transform("max")]
    is_drawn = [placement.is_in_figure(record, figure) for record in table.to_dict("records")]
    rows = table[np.array(is_drawn, dtype=bool)]  # an empty list would select no column
    records = rows.to_dict("records")
    shades = [placement.shade(record, figure) for record in records]
    return rows.assign(
        line=[placement.line_name(record, figure) for record in records],
        # None stays None: as text it would become NaN
        shade=pd.Series(shades, rows.index, dtype=object),
    )


def _fields(rows: pd.DataFrame, figure: Mapping) -> list[str]:
    """The columns whose values get separate panels."""
    candidates = [field for field in FIELDS if field in placement.panel_fields(figure)]
    fields = [f for f in candidates if f == "metric" or rows[f].nunique() > 1]
    return [*fields, figure["facet"]] if figure["facet"] else fields
