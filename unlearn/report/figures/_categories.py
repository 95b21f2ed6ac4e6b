"""Panels whose x column holds names: a row for each name, values to the right."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import _labels, _scales, _style, _ticks

ROW_INCHES = 0.17
"""Height of a category of one line of text."""

LETTER_INCHES = 0.075
"""Width of a letter of an axis label."""

MAX_LABEL_LETTERS = 24
"""Letters in a line of a label."""

MAX_TICKS = 5
"""Tick labels that the narrowest panel has room for."""


def names(rows: pd.DataFrame, column: str) -> list | None:
    """The names in a column, in the order of the table; None where it holds numbers."""
    values = rows[column].dropna()
    if values.empty or pd.api.types.is_numeric_dtype(values):
        return None
    return list(values.drop_duplicates())


def height(rows: pd.DataFrame, column: str, names: Sequence[str]) -> float:
    """Inches that a panel needs for the names and for the lines that share a name."""
    text_rows = sum(1 + 1.6 * label.count("\n") for label in labels(names))
    points = sum(rows.groupby(column)["line"].nunique())
    return max(1.1, 0.35 + ROW_INCHES * max(text_rows, 0.7 * points))


def labels(names: Sequence[str]) -> list[str]:
    """The names without the parameters that all names with the same beginning have.

    Long labels are broken before a parameter.
    """
    return [_broken_lines(parts) for parts in _labels.distinct_parts(names)]


def _broken_lines(parts: Sequence[str]) -> str:
    """The parts joined by dashes, in as few lines as hold them."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer_line = f"{lines[-1]}-{part}"
        if len(longer_line) <= MAX_LABEL_LETTERS:
            lines[-1] = longer_line
        else:
            lines.append(part)
    return "\n".join(lines)


def draw(
    axis: Axes, rows: pd.DataFrame, spec: Mapping, styles: Mapping, names: Sequence[str]
) -> None:
    """Draw a panel: a point with its interval for each line and name.

    Args:
        axis: the axes to draw on.
        rows: the rows of the panel, with the column `line`.
        spec: the figure block of the experiment.
        styles: the style of each line.
        names: the names, from top to bottom. A line without a name is vertical.
    """
    rows_with_values = rows[rows["n"] > 0]
    offsets = _offsets(rows_with_values, spec["x"])
    for line, line_rows in rows_with_values.groupby("line", sort=False):
        named_rows = line_rows.dropna(subset=[spec["x"]])
        if named_rows.empty:
            _draw_vertical_line(axis, line_rows, styles[line])
        else:
            positions = [names.index(name) for name in named_rows[spec["x"]]]
            _draw_points(axis, named_rows, np.array(positions) + offsets[line], styles[line])
    axis.set_yticks(range(len(names)), labels(names))
    axis.set_ylim(len(names) - 0.5, -0.5)
    _scale_values(axis, _style.shown_means(rows_with_values), spec["yscale"])
    label = _style.COLUMN_LABELS.get(spec["x"], spec["x"])
    max_letters = int(height(rows, spec["x"], names) / LETTER_INCHES)
    axis.set_ylabel("\n".join(textwrap.wrap(label, max_letters)))
    axis.set_xlabel(_style.metrics_label(rows["metric"].unique()))


def _offsets(rows: pd.DataFrame, column: str) -> dict[str, float]:
    """How far the points of each line lie below their name, in rows; 0 where no lines share one."""
    named_rows = rows.dropna(subset=[column])
    lines = list(named_rows["line"].drop_duplicates())
    lines_per_name = named_rows.groupby(column)["line"].nunique().max()
    if not lines_per_name > 1:
        return dict.fromkeys(lines, 0)
    center = (len(lines) - 1) / 2
    return {line: 0.7 * ((number - center) / len(lines)) for number, line in enumerate(lines)}


def _draw_vertical_line(axis: Axes, rows: pd.DataFrame, style: Mapping) -> None:
    """A line without a name, with its interval as a band."""
    x, low, high = _shown_values(rows)
    line_style = {key: value for key, value in style.items() if key != "marker"}
    axis.axvline(x[0], label=rows["line"].iloc[0], **line_style)
    if np.isfinite(low[0]):
        low, high = _style.clamped_interval(rows["metric"].iloc[0], low, high)
        axis.axvspan(low[0], high[0], color=style["color"], alpha=0.12, linewidth=0)


def _draw_points(axis: Axes, rows: pd.DataFrame, y: np.ndarray, style: Mapping) -> None:
    """Draw the points of a line with their intervals as bars.

    Args:
        axis: the axes to draw on.
        rows: the rows of the line.
        y: the position of each point.
        style: colour, marker and dashes; the dashes are not used.
    """
    x, low, high = _shown_values(rows)
    low, high = _style.clamped_interval(rows["metric"].iloc[0], low, high)
    bars = np.maximum([x - low, high - x], 0)  # rounding can put a mean outside of what can be
    name = rows["line"].iloc[0]
    axis.errorbar(x, y, xerr=bars, label=name, elinewidth=1, **{**style, "linestyle": "none"})


def _shown_values(rows: pd.DataFrame) -> list[np.ndarray]:
    """Means and ends of intervals in the units that are shown."""
    scale = METRICS[rows["metric"].iloc[0]].scale
    return [rows[column].to_numpy(float) * scale for column in ("mean", "ci_low", "ci_high")]


def _scale_values(axis: Axes, means: Sequence[float], scale: str) -> None:
    """Set the scale of the value axis, and ticks that do not touch."""
    _scales.set_scale(axis, "x", scale, means)
    set_value_ticks(axis)


def set_value_ticks(axis: Axes) -> None:
    """Set ticks of the x axis that do not touch; its scale is set."""
    if axis.get_xscale() == "log":
        _thin_log_ticks(axis)
    elif axis.get_xscale() == "linear":
        axis.locator_params(axis="x", nbins=MAX_TICKS)
        _ticks.format_ticks(axis.xaxis)


def _thin_log_ticks(axis: Axes) -> None:
    """Label powers of ten; where fewer than two are in the panel, their multiples by 2 and 5."""
    low, high = axis.get_xlim()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    visible_ticks = {
        factor: [factor * power for power in powers if low <= factor * power <= high]
        for factor in (1, 2, 5)
    }
    if len(visible_ticks[1]) >= 2:
        axis.xaxis.set_minor_formatter(NullFormatter())
        return
    minor_ticks = visible_ticks[2] + visible_ticks[5]
    if len(minor_ticks + visible_ticks[1]) < 2:
        minor_ticks = MaxNLocator(3).tick_values(low, high)
    axis.xaxis.set_minor_locator(FixedLocator(minor_ticks))
    axis.xaxis.set_major_formatter(_ticks.LogNumbers())
    axis.xaxis.set_minor_formatter(_ticks.LogNumbers(minor_thresholds=(np.inf, np.inf)))
