"""The panels of a figure: which rows of a table each of them shows."""

from collections.abc import Mapping
from typing import NamedTuple

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

    Of a stream they show the last step, unless `step` or `points` is on an axis.
    """
    drawn = _drawn_rows(table, figure)
    facet = figure["facet"]
    is_shared = pd.Series(
        [placement.is_in_every_panel(record, figure) for record in drawn.to_dict("records")],
        drawn.index,
        dtype=bool,
    )
    fields = _fields(drawn, figure)
    if not fields:
        return [Panel({}, drawn)]
    panel_list = []
    for values in drawn.loc[~is_shared, fields].drop_duplicates().to_dict("records"):
        place = {column: placement.column_value(values, column) for column in values}
        is_inside = pd.Series(True, drawn.index)
        for column, value in place.items():
            is_equal = drawn[column].isna() if value is None else drawn[column] == value
            is_inside &= is_equal | is_shared if column == facet else is_equal
        panel_list.append(Panel(place, drawn[is_inside]))
    return panel_list


def _drawn_rows(table: pd.DataFrame, figure: Mapping) -> pd.DataFrame:
    """The rows that the figure draws, with their line and shade."""
    if not placement.axes(figure) & {"step", "points"}:
        table = table[table["step"] == table.groupby("request")["step"].transform("max")]
    is_drawn = [placement.is_in_figure(record, figure) for record in table.to_dict("records")]
    drawn = table[is_drawn]
    records = drawn.to_dict("records")
    shades = [placement.shade(record, figure) for record in records]
    return drawn.assign(
        line=[placement.line_name(record, figure) for record in records],
        # None stays None: as text it would become NaN
        shade=pd.Series(shades, drawn.index, dtype=object),
    )


def _fields(drawn: pd.DataFrame, figure: Mapping) -> list[str]:
    """The columns whose values get separate panels."""
    candidates = [field for field in FIELDS if field in placement.panel_fields(figure)]
    fields = [f for f in candidates if f == "metric" or drawn[f].nunique() > 1]
    return [*fields, figure["facet"]] if figure["facet"] else fields
