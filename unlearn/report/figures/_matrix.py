"""A matrix: one metric in cells of rows and columns, with published values small below."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from unlearn.evaluation.panels import panels
from unlearn.evaluation.selections import is_selected, selections
from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import _labels, _notes, _style

CELL_INCHES = (0.85, 0.48)
"""Width and height of a cell."""

LABEL_INCHES = (1.7, 1.1)
"""Room for the labels of rows, and for those of columns, title and notes."""

MIN_WIDTH_INCHES = 4.5
"""Least width of a figure: its notes need room."""

COLUMN_LETTERS = 12
"""Letters in a line of the label of a column."""

ROW_LETTERS = 28
"""Letters in a line of the label of a row."""

PUBLISHED_SHIFT = 0.26
"""How far below the middle of a cell the published value is, as a share of its height."""

NUMBER_SHIFT = 0.12
"""How far above the middle the number is where a published one stands below it."""

COLORS = LinearSegmentedColormap.from_list("matrix", ["white", "#9CCBEA"])
"""Light, so that black and grey numbers can be read on it."""

EMPTY = "\u2013"
"""The text of a cell that the study does not compute."""

FAILURES = ("failed", "diverged", "refused")
"""The columns of a table with the numbers of models that have no value, in order of weight."""


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    Each cell has the mean of the metric, the half width of its interval where there is one, and
    the published value. Colours go from the least mean to the largest, or from 0 to 100 %.
    """
    parts = panels(table, spec)
    if not parts:
        return _style.empty_figure(_notes.emptiness_notes(spec))
    rows = pd.concat([panel.rows for panel in parts], ignore_index=True)
    metric = METRICS[spec["y"][0]]
    labels = selections(spec, "rows")
    columns = selections(spec, "columns")
    records = rows.to_dict("records")
    cells = [
        [_record(records, row, column) for column in columns.values()] for row in labels.values()
    ]
    scale = metric.scale
    means = np.array([[_mean(cell) * scale for cell in line] for line in cells], dtype=float)
    size = (
        max(MIN_WIDTH_INCHES, LABEL_INCHES[0] + CELL_INCHES[0] * means.shape[1]),
        LABEL_INCHES[1] + CELL_INCHES[1] * means.shape[0],
    )
    figure, axis = pyplot.subplots(figsize=size, layout="constrained")
    ends = (0, 100) if metric.is_percentage else (None, None)
    axis.imshow(np.ma.masked_invalid(means), COLORS, vmin=ends[0], vmax=ends[1], aspect="auto")
    published = (spec["published"] or {}).get("values", {})
    for row, label in enumerate(labels):
        for column, name in enumerate(columns):
            value = published.get(label, {}).get(name)
            _draw_cell(axis, (column, row), _text(cells[row][column], scale), value)
    _label(axis, list(labels), list(columns))
    split = spec["pairs"].get(spec["y"][0]) or spec["split"][0]
    unit = " (%)" if metric.is_percentage else ""
    axis.set_title(f"{_labels.metric_label(metric.name, split)}{unit}", loc="left")
    lines = _notes.notes(rows)
    lines += _notes.published_notes(spec)
    _style.footnote(figure, lines)
    return figure


def _record(records: list[dict], row: Mapping, column: Mapping) -> dict[str, Any] | None:
    """The row of the table that belongs to a cell; None where there is none."""
    matches = [r for r in records if is_selected(r, row) and is_selected(r, column)]
    return matches[0] if matches else None


def _mean(record: Mapping | None) -> float:
    return math.nan if record is None else record["mean"]


def _text(record: Mapping | None, scale: float) -> str:
    """The number of a cell, or why it has none."""
    if record is None:
        return EMPTY
    if math.isnan(record["mean"]):
        return next((name for name in FAILURES if record.get(name, 0) > 0), EMPTY)
    mean = f"{record['mean'] * scale:.3g}"
    width = (record["ci_high"] - record["ci_low"]) / 2 * scale
    if math.isnan(width):
        return mean
    return f"{mean} ± {width:.0f}" if width >= 10 else f"{mean} ± {width:.2g}"


def _draw_cell(axis: Axes, place: tuple[float, float], text: str, published: float | None) -> None:
    """Write the number of a cell, and the published one below it."""
    x, y = place
    has_published = published is not None
    number_y = y - NUMBER_SHIFT if has_published else y
    axis.text(x, number_y, text, ha="center", va="center", size=8)
    if has_published:
        published_text = f"{published:.3g}"
        axis.text(
            x, y + PUBLISHED_SHIFT, published_text, ha="center", va="center", size=6, color="0.4"
        )


def _label(axis: Axes, row_labels: Sequence[str], column_labels: Sequence[str]) -> None:
    """The labels of columns on top and of rows at the left, and white lines between the cells."""
    columns = [_labels.wrapped(label, COLUMN_LETTERS) for label in column_labels]
    rows = [_labels.wrapped(label, ROW_LETTERS) for label in row_labels]
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axis.tick_params(which="minor", length=0)
    axis.grid(visible=False)
    axis.grid(which="minor", color="0.85", linewidth=0.8)
    axis.spines[:].set_visible(False)
