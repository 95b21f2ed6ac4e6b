"""One panel of a dot plot: a metric of the methods of a block."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from unlearn.report.figures import _categories, _scales, _ticks
from unlearn.report.figures._dots_rows import NORMALISED_LIMITS, Block, Dot, DotColumn

MAX_TICKS = 4
"""Tick labels that a panel has room for."""

PANEL_POINTS = 72
"""Width of a panel, about."""

NUMBER_SIZE = 6.5
"""Size of the numbers beside a panel."""

LABEL_SIZE = 7
"""Size of the label of an axis."""

BAND_HEIGHT = 1.0
"""Height of the band of a floor, in rows."""

MARGIN = 0.12
"""Room beyond the outermost normalised values, in units of the axis."""

SIDE_MARGIN = 0.1
"""Room beyond the outermost values of other panels, as a share of the axis."""

LINE_STYLES = {"retrain": "--", "original": ":"}
"""The lines through the values of the controls."""


def draw(
    axis: Axes, column: DotColumn, block: Block, styles: Mapping[str, Mapping], spec: Mapping
) -> None:
    """Draw the dots, intervals, numbers, floors and reference lines of a panel.

    Args:
        axis: the axes to draw on.
        column: the panel.
        block: its block.
        styles: the style of each line.
        spec: the figure block of the experiment.
    """
    _set_scale(axis, column, spec)
    _draw_references(axis, column, block)
    limits = NORMALISED_LIMITS if column.is_normalised else (-math.inf, math.inf)
    for row, line in enumerate(block.lines):
        dot = column.dots[line]
        _draw_floor(axis, dot, row)
        _draw_dot(axis, dot, row, styles[line], limits)
        has_value = math.isfinite(dot.value)
        axis.annotate(
            dot.text.replace("-", "\u2212"),
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            size=NUMBER_SIZE,
            color="black" if has_value or dot.text == "0" else "0.45",
            style="normal" if has_value or dot.text == "0" else "italic",
            annotation_clip=False,
        )
    axis.set_xlabel(column.axis_label, size=LABEL_SIZE)
    axis.grid(visible=True, axis="y", color="0.93")


def _set_scale(axis: Axes, column: DotColumn, spec: Mapping) -> None:
    """Set the scale of the values: `xscale` for costs, `yscale` for the other metrics."""
    values = [dot.value for dot in column.dots.values() if math.isfinite(dot.value)]
    ends = [end for dot in column.dots.values() for end in dot[1:5]]
    ends = [end for end in ends if math.isfinite(end)]
    if column.is_normalised:
        low, high = NORMALISED_LIMITS
        left = max(low, min([0.0, *values, *ends]))
        right = min(high, max([1.0, *values, *ends]))
        axis.set_xlim(left - MARGIN, right + MARGIN)
        axis.set_xticks([tick for tick in (-1, 0, 1, 2) if left <= tick <= right])
        return
    axis.plot([*values, *ends], [0] * len([*values, *ends]), linestyle="none")
    _scales.set_scale(axis, "x", spec["xscale"] if column.is_cost else spec["yscale"], values)
    axis.margins(x=SIDE_MARGIN)
    axis.autoscale_view()  # margins are of this scale
    _categories.set_value_ticks(axis)
    if axis.get_xscale() == "linear":
        axis.xaxis.set_major_locator(MaxNLocator(MAX_TICKS - 1))
    elif axis.get_xscale() == "log":
        _ticks.set_plain_powers(axis.xaxis, PANEL_POINTS)


def _draw_references(axis: Axes, column: DotColumn, block: Block) -> None:
    """Draw the lines of the oracle and of doing nothing."""
    for method, linestyle in LINE_STYLES.items():
        if column.is_normalised:
            value = 1.0 if method == "original" else 0.0
        elif method in block.controls:
            value = column.dots[block.controls[method]].value
        else:
            continue
        if math.isfinite(value):
            axis.axvline(value, color="0.35", linestyle=linestyle, linewidth=0.9, zorder=1.8)


def _draw_floor(axis: Axes, dot: Dot, row: int) -> None:
    """Draw the interval of another retraining behind a dot."""
    if not math.isfinite(dot.floor_low) or not math.isfinite(dot.floor_high):
        return
    bottom = row - BAND_HEIGHT / 2
    corners = [dot.floor_low, dot.floor_high]
    axis.fill_between(
        corners, bottom, bottom + BAND_HEIGHT, color="0.5", alpha=0.25, linewidth=0, zorder=0
    )


def _draw_dot(axis: Axes, dot: Dot, row: int, style: Mapping, limits: tuple[float, float]) -> None:
    """Draw a dot with its interval, or an arrow where it lies beyond the axis.

    Args:
        axis: the axes to draw on.
        dot: the dot.
        row: its row.
        style: colour and marker.
        limits: the ends of the axis.
    """
    if not math.isfinite(dot.value):
        return
    color = style["color"]
    if math.isfinite(dot.low):
        left, right = np.clip([dot.low, dot.high], limits[0] - MARGIN, limits[1] + MARGIN)
        axis.hlines(row, left, right, color=color, linewidth=1.2)
    marker = style["marker"]
    value = float(np.clip(dot.value, *limits))
    if value != dot.value:
        marker = "$\u2192$" if dot.value > value else "$\u2190$"
    axis.plot(value, row, color=color, marker=marker, markersize=5, linestyle="none", clip_on=False)
