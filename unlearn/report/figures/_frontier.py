"""Quality against cost: one point a variant, and the frontier of those that none beats in both."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearn.evaluation import placement
from unlearn.evaluation.panels import Panel
from unlearn.metrics.catalogue import METRICS, floor
from unlearn.report.figures import (
    _axis_labels,
    _frontier_rows,
    _legend,
    _lines,
    _notes,
    _scales,
    _style,
    _ticks,
)
from unlearn.report.figures._frontier_points import Point, frontier_points

FLOOR_NAME = "another retraining"
TRAINER_NOTE = (
    "a method is compared with the oracle of its own trainer; rings and dash-dotted lines in its "
    "colour: retrain and another retraining of that trainer"
)
FRONTIER_NOTE = (
    "frontier: methods that none beats in both, whose intervals lie below that of original; "
    "drawn where there are two or more"
)

PANEL_INCHES = 2.3
"""Height of a panel: points that lie close must be told apart."""

INTERVAL_WIDTH_SHARE = 0.008
"""Width of the interval of a horizontal line, at the left, as a share of the panel."""


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    There is a panel for each metric but the one on the x axis, and for each data set, model and
    value of `facet`. Doing nothing has no cost: it is a horizontal line. A second line, where the
    table has it, is the floor: how far the oracle is from those of other seeds. Controls of another
    trainer have the colour of its method. Lower is better, on both axes.
    """
    figure_panels = _frontier_rows.panels_with_costs(table, spec)
    if not figure_panels:
        return _style.empty_figure(_notes.emptiness_notes(spec))
    columns = list(dict.fromkeys(_column_key(panel) for panel in figure_panels))
    rows = list(dict.fromkeys(_row_key(panel) for panel in figure_panels))
    all_rows = pd.concat([panel.rows for panel in figure_panels], ignore_index=True)
    styles = _frontier_rows.line_styles(all_rows)
    figure, axes = _style.panel_grid(len(rows), len(columns), PANEL_INCHES)
    for axis in axes.flat:
        axis.set_visible(False)
    for panel in figure_panels:
        axis = axes[rows.index(_row_key(panel)), columns.index(_column_key(panel))]
        axis.set_visible(True)
        limits = _frontier_rows.limits(table, panel)
        _draw_panel(axis, panel.rows, spec, styles, limits)
        _draw_floors(axis, panel, table, styles)
        axis.set_title(_lines.panel_title(panel))
        axis.set_xlabel(METRICS[spec["x"].split("/")[0]].label)
        axis.set_ylabel(_style.metrics_label(panel.rows["metric"].unique()))
    _style.label_outer(axes, by_row=False)
    _legend.legend(figure, axes)
    _style.footnote(figure, [*_footnotes(all_rows, spec), *_lines.zero_notes(axes)])
    _axis_labels.wrap(figure, axes)
    return figure


def _column_key(panel: Panel) -> tuple:
    """The values that put a panel in its column."""
    return panel.place.get("metric"), panel.place.get("split")


def _row_key(panel: Panel) -> tuple:
    """The values that put a panel in its row."""
    return tuple((k, v) for k, v in panel.place.items() if k not in ("metric", "split"))


def _footnotes(all_rows: pd.DataFrame, spec: Mapping) -> list[str]:
    """The lines below the figure."""
    lines = _notes.notes(all_rows)
    rows = all_rows[all_rows["n"] > 0]
    costless_lines = rows.loc[
        [_frontier_rows.is_across(row, spec) for row in rows.to_dict("records")], "line"
    ]
    names = list(costless_lines[rows["method"] != "original"].drop_duplicates())
    if names:
        lines.append(f"a cost of 0 has no place on the axis, drawn across: {_notes.listing(names)}")
    has_no_cost = rows["mean_cost"].isna() & (rows["method"] != "original")
    names = list(rows.loc[has_no_cost, "line"].drop_duplicates())
    if names:
        lines.append(f"no cost, left out: {_notes.listing(names)}")
    controls = all_rows[all_rows["method"].isin(placement.CONTROLS)]
    if any(map(placement.trainer, controls.to_dict("records"))):
        lines.append(TRAINER_NOTE)
    return [*lines, FRONTIER_NOTE]


def _draw_panel(
    axis: Axes, rows: pd.DataFrame, spec: Mapping, styles: Mapping, limits: Mapping[str, float]
) -> None:
    """Draw the points, horizontal lines, frontier and scales of a panel.

    Args:
        axis: the axes to draw on.
        rows: the rows of the panel.
        spec: the figure block of the experiment.
        styles: the style of each line.
        limits: the distances that differ from doing nothing, by trainer.
    """
    cost = spec["x"].split("/")[0]
    points = []
    rows_with_values = rows[rows["n"] > 0].to_dict("records")
    lines_across = [row for row in rows_with_values if _frontier_rows.is_across(row, spec)]
    for number, row in enumerate(lines_across):
        _draw_line_across(axis, row, styles[row["line"]], number)
    for row in rows_with_values:
        if row["method"] != "original" and math.isfinite(row["mean_cost"]):
            high = row["ci_high"] if math.isfinite(row["ci_high"]) else row["mean"]
            points.append(Point(row["mean_cost"], row["mean"], high, placement.trainer(row)))
        if not _frontier_rows.is_across(row, spec) and math.isfinite(row["mean_cost"]):
            style = {k: v for k, v in styles[row["line"]].items() if k != "linestyle"}
            _draw_point(axis, row, cost, style)
    _draw_frontier(axis, frontier_points(points, limits))
    axis.set_xscale(spec["xscale"])
    _ticks.format_ticks(axis.xaxis)
    distances = [row["mean"] for row in rows_with_values]
    _scales.set_scale(axis, "y", spec["yscale"], [0.0, *distances])
    axis.set_ylim(bottom=0)


def _draw_line_across(axis: Axes, row: Mapping, style: Mapping, number: int) -> None:
    """Draw a horizontal line with its interval at the left.

    Args:
        axis: the axes to draw on.
        row: the row of a method that costs nothing.
        style: the style of its line; doing nothing is always dotted.
        number: the number of lines whose intervals are further left.
    """
    color = style["color"]
    linestyle = ":" if row["method"] == "original" else style["linestyle"]
    width = 1.8 if _frontier_rows.is_trainer_control(row) else 1  # one is seen behind the other
    axis.axhline(row["mean"], label=row["line"], color=color, linestyle=linestyle, linewidth=width)
    if np.isfinite(row["ci_low"]):
        low, high = _style.clamped_interval(row["metric"], row["ci_low"], row["ci_high"])
        start = 2 * INTERVAL_WIDTH_SHARE * number
        axis.axhspan(low, high, start, start + INTERVAL_WIDTH_SHARE, color=color, linewidth=0)


def _draw_point(axis: Axes, row: Mapping, cost: str, style: Mapping) -> None:
    """Draw a point with the intervals of its cost and distance; controls are rings.

    Args:
        axis: the axes to draw on.
        row: the row of a distance, with its cost.
        cost: the metric on the x axis.
        style: colour and marker.
    """
    left, right = _style.clamped_interval(cost, row["ci_low_cost"], row["ci_high_cost"])
    low, high = _style.clamped_interval(row["metric"], row["ci_low"], row["ci_high"])
    axis.errorbar(
        row["mean_cost"],
        row["mean"],
        fmt="none",
        ecolor=style["color"],
        elinewidth=0.8,
        xerr=_bars(row["mean_cost"], left, right),
        yerr=_bars(row["mean"], low, high),
    )
    is_trainer_control = _frontier_rows.is_trainer_control(row)
    ring = {}
    if row["method"] in placement.CONTROLS:  # rings, because all of them are at 0
        ring = {"markerfacecolor": "none", "markersize": 10 if is_trainer_control else 7.5}
    label = "_" if is_trainer_control else row["line"]
    axis.plot(
        row["mean_cost"],
        row["mean"],
        label=label,
        linestyle="none",
        clip_on=False,
        **style,
        **ring,
    )


def _draw_frontier(axis: Axes, frontier: Sequence[Point]) -> None:
    """Join the points of the frontier; a single one is none."""
    if len(frontier) > 1:
        costs = [point.cost for point in frontier]
        lowest_distances = np.minimum.accumulate([point.distance for point in frontier])
        style = {"color": "0.7", "linewidth": 0.8, "zorder": 0, "label": "frontier"}
        axis.step(costs, lowest_distances, where="post", **style)


def _bars(middle: float, low: float, high: float) -> list | None:
    """The two halves of an interval as matplotlib wants them; None where there is none."""
    if not np.isfinite(low):
        return None
    return [[max(0.0, middle - low)], [max(0.0, high - middle)]]  # rounding may put it outside


def _draw_floors(axis: Axes, panel: Panel, table: pd.DataFrame, styles: Mapping) -> None:
    """Draw a line where another retraining would be, for each trainer.

    Args:
        axis: the axes to draw on.
        panel: the panel.
        table: the whole table, which has the floors.
        styles: the style of each line; a floor has the colour of the oracle of its trainer.
    """
    rows = panel.rows
    floor_metric = floor(rows["metric"].iloc[0])
    if floor_metric is None:
        return
    colors = {
        placement.trainer(row): styles[row["line"]]["color"]
        for row in rows[rows["method"] == "retrain"].to_dict("records")
    }
    for row in _frontier_rows.panel_controls(table, panel, floor_metric.name, "retrain"):
        trainer = placement.trainer(row)
        axis.axhline(
            row["mean"],
            linewidth=0.8,
            label="_" if trainer else FLOOR_NAME,
            color=colors.get(trainer, "0.5"),
            linestyle="-.",
        )
