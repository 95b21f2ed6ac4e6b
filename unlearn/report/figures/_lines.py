"""Lines with 95 % bands: a metric against a column, one line a colour, one panel a facet."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unlearn.evaluation import placement
from unlearn.evaluation.panels import Panel, panels
from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import (
    _axis_labels,
    _categories,
    _legend,
    _notes,
    _scales,
    _style,
    _ticks,
)

MAX_MARKERS = 20
"""Points of a line that all have a marker; a longer line has one every tenth of the axis."""

MAX_TICKS = 8
"""Values on a logarithmic axis that each have a tick."""

PANEL_LETTERS = 30
"""Letters that have room below the narrowest panel."""

COUNT_COLUMNS = (
    "step",
    "points",
    "relearning_step",
    "population.unlearned",
    "population.oracles",
    "population.originals",
)
"""Columns whose ticks are whole numbers."""

PUBLISHED_DASHES = ("-", "--", ":", "-.")

MIN_LOG_RANGE = 10
"""The least ratio of the ends of a logarithmic y axis; below it chance would look like a trend."""


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    There is a panel for each metric, each value of `facet`, and each data set, model and split that
    no axis, colour or facet tells apart. Of a stream the last step is drawn, unless `step` is on an
    axis. A line without x values is horizontal: a control that lacks the parameter on the axis. A
    metric without a single value has no panel, but a note.
    Where x holds names the axes change places, so that names have room at the left.
    """
    figure_panels = panels(table, spec)
    if not figure_panels:
        return _style.empty_figure(_notes.emptiness_notes(spec))
    all_rows = pd.concat([panel.rows for panel in figure_panels], ignore_index=True)
    figure_panels = _panels_with_values(figure_panels)
    column_field = spec["facet"] or "metric"
    columns = list(dict.fromkeys(panel.place.get(column_field) for panel in figure_panels))
    column_fields = _column_fields(figure_panels, column_field, len(columns))
    rows = list(dict.fromkeys(_row_key(panel, column_fields) for panel in figure_panels))
    styles = _line_styles(all_rows)
    names = _categories.names(all_rows, spec["x"])
    panel_inches = _categories.height(all_rows, spec["x"], names) if names else None
    figure, axes = _style.panel_grid(len(rows), len(columns), panel_inches)
    for axis in axes.flat:
        axis.set_visible(False)
    for panel in figure_panels:
        row = rows.index(_row_key(panel, column_fields))
        axis = axes[row, columns.index(panel.place.get(column_field))]
        axis.set_visible(True)
        axis.set_title(panel_title(panel))
        if names:
            _categories.draw(axis, panel.rows, spec, styles, names)
        else:
            _draw_panel(axis, panel.rows, spec, styles)
            _draw_published(axis, spec)
    if names:
        _style.label_rows(axes)
    else:
        _style.label_outer(axes, by_row=column_field != "metric")
    if not names or spec["x"] != spec["colour"] or all_rows[spec["x"]].isna().any():
        _legend.legend(figure, axes)
    lines = [*_notes.notes(all_rows), *zero_notes(axes), *_notes.published_notes(spec)]
    _style.footnote(figure, lines)
    _axis_labels.wrap(figure, axes)
    return figure


def _panels_with_values(figure_panels: Sequence[Panel]) -> Sequence[Panel]:
    """The panels of the metrics that have a value anywhere; all panels where none has."""
    metrics = {panel.place.get("metric") for panel in figure_panels if (panel.rows["n"] > 0).any()}
    return [
        panel for panel in figure_panels if panel.place.get("metric") in metrics
    ] or figure_panels


def zero_notes(axes: np.ndarray) -> list[str]:
    """What logarithmic axes do at 0, where one of them does."""
    has_zero = any(_scales.has_zero(axis) for axis in axes.flat if axis.get_visible())
    return [_scales.ZERO_NOTE] if has_zero else []


def panel_title(panel: Panel) -> str:
    """The values that tell a panel from the others; its metric is on the axis."""
    titles = [placement.title(k, v) for k, v in panel.place.items() if k != "metric"]
    return ", ".join(titles)


def _column_fields(figure_panels: Sequence[Panel], column_field: str, columns: int) -> set[str]:
    """The fields that put a panel in its column; a split does if each metric has one split."""
    pairs = {(panel.place.get("metric"), panel.place.get("split")) for panel in figure_panels}
    if column_field == "metric" and len(pairs) == columns:
        return {"metric", "split"}
    return {column_field}


def _row_key(panel: Panel, column_fields: set[str]) -> tuple:
    """The values that put a panel in its row."""
    return tuple((k, v) for k, v in panel.place.items() if k not in column_fields)


def _line_styles(all_rows: pd.DataFrame) -> dict[str, dict]:
    """The style of each line."""
    shades = dict(zip(all_rows["line"], all_rows["shade"], strict=True))
    methods = dict(zip(all_rows["line"], all_rows["method"], strict=True))
    return _style.line_styles(shades, methods)


def _draw_panel(axis: Axes, rows: pd.DataFrame, spec: Mapping, styles: Mapping) -> None:
    """Draw the lines of a panel, its scales and its labels.

    Args:
        axis: the axes to draw on.
        rows: the rows of the panel.
        spec: the figure block of the experiment.
        styles: the style of each line.
    """
    rows_with_values = rows[rows["n"] > 0]
    for name, line_rows in rows_with_values.groupby("line", sort=False):
        if line_rows[spec["x"]].isna().all():
            _draw_horizontal_line(axis, line_rows, styles[name])
        else:
            _draw_line(axis, line_rows, spec["x"], styles[name])
    _scale_x(axis, rows[spec["x"]], spec)
    _scale_y(axis, spec["yscale"], rows_with_values)
    if spec["xscale"] == "linear" and spec["x"] in COUNT_COLUMNS:
        axis.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    _ticks.format_ticks(axis.yaxis)
    axis.set_xlabel(_style.COLUMN_LABELS.get(spec["x"], spec["x"]))
    axis.set_ylabel(_style.metrics_label(rows["metric"].unique()))


def _shown_values(rows: pd.DataFrame) -> list[np.ndarray]:
    """Means and ends of intervals in the units that are shown."""
    metric = rows["metric"].iloc[0]
    scale = METRICS[metric].scale
    mean, low, high = (rows[c].to_numpy(float) * scale for c in ("mean", "ci_low", "ci_high"))
    return [mean, *_style.clamped_interval(metric, low, high)]


def _draw_horizontal_line(axis: Axes, rows: pd.DataFrame, style: Mapping) -> None:
    """A line without x values, with its interval as a band."""
    y, low, high = _shown_values(rows)
    line_style = {key: value for key, value in style.items() if key != "marker"}
    axis.axhline(y[0], label=rows["line"].iloc[0], **line_style)
    if np.isfinite(low[0]):
        axis.axhspan(low[0], high[0], color=style["color"], alpha=0.12, linewidth=0)


def _draw_line(axis: Axes, rows: pd.DataFrame, column: str, style: Mapping) -> None:
    """Draw a line with its intervals as a band, or as a bar where it has one point.

    Args:
        axis: the axes to draw on.
        rows: the rows of the line.
        column: the column of the x axis.
        style: colour, marker and dashes.
    """
    ordered_rows = rows.iloc[np.argsort(rows[column].to_numpy(float), kind="stable")]
    x = ordered_rows[column].to_numpy(float)
    y, low, high = _shown_values(ordered_rows)
    marker_spacing = None if len(x) <= MAX_MARKERS else 0.1
    axis.plot(x, y, label=rows["line"].iloc[0], markevery=marker_spacing, **style)
    has_interval = np.isfinite(low)
    if has_interval.any():
        is_alone = _is_alone(has_interval)
        if is_alone.any():
            ends = (low[is_alone], high[is_alone])
            axis.vlines(x[is_alone], *ends, color=style["color"], linewidth=1)
        axis.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _draw_published(axis: Axes, spec: Mapping) -> None:
    """The curves of others, in grey below the lines of the study."""
    curves = (spec.get("published") or {}).get("curves", {})
    for (label, points), dashes in zip(curves.items(), itertools.cycle(PUBLISHED_DASHES)):
        x, y = np.array(sorted(points)).T
        axis.plot(
            x,
            y,
            label=f"{label} (published)",
            color="0.65",
            linewidth=1,
            linestyle=dashes,
            zorder=1,
        )


def _is_alone(has_interval: np.ndarray) -> np.ndarray:
    """Which intervals have none beside them that would make a band."""
    padded = np.pad(has_interval, 1)
    return has_interval & ~padded[:-2] & ~padded[2:]


def _scale_x(axis: Axes, x: pd.Series, spec: Mapping) -> None:
    """Set the scale of the x axis; few values on a logarithmic one have a tick each."""
    values = sorted(set(x.dropna()))
    _scales.set_scale(axis, "x", spec["xscale"], values)
    if axis.get_xscale() != "linear" and 0 < len(values) <= MAX_TICKS:
        positions = axis.xaxis.get_transform().transform(np.array(values, float))
        axis.set_xticks(values, _tick_labels(values, positions))
        axis.minorticks_off()
    else:
        _ticks.format_ticks(axis.xaxis)


def _scale_y(axis: Axes, scale: str, rows: pd.DataFrame) -> None:
    """Set the scale of the y axis; a logarithmic one is long enough not to magnify chance."""
    _scales.set_scale(axis, "y", scale, _style.shown_means(rows))
    low, high = axis.get_ylim()
    if axis.get_yscale() == "log" and high < MIN_LOG_RANGE * low:
        middle = np.sqrt(low * high)
        axis.set_ylim(middle / MIN_LOG_RANGE**0.5, middle * MIN_LOG_RANGE**0.5)


def _tick_labels(values: Sequence[float], positions: Sequence[float] | None = None) -> list[str]:
    """The labels of values on an axis; one that would touch the last one is empty.

    `positions`: where on the axis they are; their logarithms where it is None.
    """
    positions = np.log(values) if positions is None else positions
    letter_width = (positions[-1] - positions[0]) / PANEL_LETTERS
    labels = []
    end = -np.inf
    for value, position in zip(values, positions, strict=True):
        text = placement.text(value)
        half_width = len(text) / 2 * letter_width
        has_room = position - half_width >= end
        labels.append(text if has_room else "")
        if has_room:
            end = position + half_width + letter_width
    return labels
