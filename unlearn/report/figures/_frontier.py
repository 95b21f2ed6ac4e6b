"""Quality against cost: one point a variant, and the frontier of those that none beats in both."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearn.evaluation import placement
from unlearn.evaluation.panels import Panel, panels
from unlearn.metrics.catalogue import METRICS, floor
from unlearn.report.figures import _lines, _style
from unlearn.report.figures._frontier_points import (
    Baseline,
    Point,
    frontier_points,
    largest_baseline,
)

"""The x axis is a metric on a split, not a column."""

FLOOR_NAME = "another retraining"
TRAINER_NOTE = (
    "a method is compared with the oracle of its own trainer; rings and dash-dotted lines in its "
    "colour: retrain and another retraining of that trainer"
)
FRONTIER_NOTE = (
    "frontier: methods that none beats in both, whose intervals lie below that of doing nothing; "
    "drawn where there are two or more"
)

PANEL_INCHES = 2.3
"""Height of a panel: points that lie close must be told apart."""

INTERVAL_WIDTH_SHARE = 0.008
"""Width of the interval of a horizontal line, at the left, as a share of the panel."""

ZERO_SHARE = 0.1
"""Share of a logarithmic y axis below its first decade, where 0 is."""

MAX_LABELLED_DECADES = 6
POINT_COLUMNS = ["dataset", "model", "variant", "request", "step"]
"""The columns that a distance and its cost share."""


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    There is a panel for each metric but the one on the x axis, and for each data set, model and
    value of `facet`. Doing nothing has no cost: it is a horizontal line. A second line, where the
    table has it, is the floor: how far the oracle is from those of other seeds. Controls of another
    trainer have the colour of its method. Lower is better, on both axes.
    """
    cost, split = spec["x"].split("/")
    is_cost = (table["metric"] == cost) & (table["split"] == split)
    costs = table[is_cost].set_index(POINT_COLUMNS)[["mean", "ci_low", "ci_high"]]
    figure_panels = [
        panel._replace(rows=panel.rows.join(costs.add_suffix("_cost"), on=POINT_COLUMNS))
        for panel in panels(table[~is_cost], spec)
    ]
    columns = list(dict.fromkeys(_column_key(panel) for panel in figure_panels))
    rows = list(dict.fromkeys(_row_key(panel) for panel in figure_panels))
    all_rows = pd.concat([panel.rows for panel in figure_panels])
    styles = _styles(all_rows)
    figure, axes = _style.panel_grid(len(rows), len(columns), PANEL_INCHES)
    for axis in axes.flat:
        axis.set_visible(False)
    for panel in figure_panels:
        axis = axes[rows.index(_row_key(panel)), columns.index(_column_key(panel))]
        axis.set_visible(True)
        _draw_panel(axis, panel.rows, spec, styles)
        _draw_floors(axis, panel.rows, table, styles)
        axis.set_title(_lines.panel_title(panel))
        axis.set_xlabel(METRICS[cost].label)
        axis.set_ylabel(_style.metrics_label(panel.rows["metric"].unique()))
    _style.label_outer(axes, by_row=False)
    _style.legend(figure, axes)
    _style.footnote(figure, _notes(all_rows))
    return figure


def _column_key(panel: Panel) -> tuple:
    """The values that put a panel in its column."""
    return panel.place.get("metric"), panel.place.get("split")


def _row_key(panel: Panel) -> tuple:
    """The values that put a panel in its row."""
    return tuple((k, v) for k, v in panel.place.items() if k not in ("metric", "split"))


def _styles(all_rows: pd.DataFrame) -> dict[str, dict]:
    """The style of each line; controls of a trainer have the colour of the first method with it."""
    first_rows = all_rows.drop_duplicates("line").set_index("line")
    is_control = first_rows["method"].isin(placement.CONTROLS)
    methods = first_rows[~is_control]["method"].to_dict()
    trainers = {name: _trainer(first_rows.loc[name]) for name in first_rows.index}
    trainer_controls = [name for name in first_rows.index if is_control[name] and trainers[name]]
    shades = {name: None for name in first_rows.index if name not in trainer_controls}
    styles = _style.line_styles(shades, methods)
    styles_by_trainer = {trainers[name]: styles[name] for name in reversed(methods)}
    for name in trainer_controls:
        style = dict(_style.CONTROL_STYLES[first_rows.loc[name, "method"]])
        if trainers[name] in styles_by_trainer:
            style["color"] = styles_by_trainer[trainers[name]]["color"]
        styles[name] = style
    return styles


def _trainer(row: Mapping) -> str:
    """The trainer of the models of a row; empty for the standard one."""
    trainer = placement.column_value(row, "method.trainer")
    return "" if trainer in (None, "standard") else trainer


def _notes(all_rows: pd.DataFrame) -> list[str]:
    """The lines below the figure."""
    controls = all_rows[all_rows["method"].isin(placement.CONTROLS)]
    has_trainers = any(map(_trainer, controls.to_dict("records")))
    trainer_notes = [TRAINER_NOTE] if has_trainers else []
    return [*_lines.notes(all_rows), *trainer_notes, FRONTIER_NOTE]


def _draw_panel(axis: Axes, rows: pd.DataFrame, spec: Mapping, styles: Mapping) -> None:
    """Draw the points, horizontal lines, frontier and scales of a panel.

    Args:
        axis: the axes to draw on.
        rows: the rows of the panel.
        spec: the figure block of the experiment.
        styles: the style of each line.
    """
    cost = spec["x"].split("/")[0]
    points = []
    baselines: dict[str, Baseline] = {}
    for row in rows[rows["n"] > 0].to_dict("records"):
        style = {k: v for k, v in styles[row["line"]].items() if k != "linestyle"}
        is_free = row["method"] == "original" and not METRICS[cost].is_drawn_for_original
        if is_free or (row["mean_cost"] == 0 and spec["xscale"] == "log"):
            trainer = _trainer(row)
            baselines[trainer] = largest_baseline(baselines.get(trainer), row)
            _draw_baseline(axis, row, style["color"], len(baselines) - 1)
        else:
            high = row["ci_high"] if np.isfinite(row["ci_high"]) else row["mean"]
            points.append(Point(row["mean_cost"], row["mean"], high, _trainer(row)))
            _draw_point(axis, row, cost, style)
    _draw_frontier(axis, frontier_points(points, baselines))
    axis.set_xscale(spec["xscale"])
    _style.format_ticks(axis.xaxis)
    distances = [
        *(point.distance for point in points),
        *(baseline.distance for baseline in baselines.values()),
    ]
    positive_distances = [distance for distance in distances if distance > 0]
    if spec["yscale"] == "log" and positive_distances:  # the oracle's distance to itself is 0
        _scale_from_zero(axis, min(positive_distances), max(positive_distances))
    axis.set_ylim(bottom=0)


def _draw_baseline(axis: Axes, row: Mapping, color: str, number: int) -> None:
    """Draw a horizontal line with its interval at the left.

    Args:
        axis: the axes to draw on.
        row: the row of a method that costs nothing.
        color: the colour of the line.
        number: the number of trainers whose intervals are further left.
    """
    line_width = 1.8 if _is_trainer_control(row) else 1  # one is seen behind the other
    axis.axhline(row["mean"], label=row["line"], color=color, linestyle=":", linewidth=line_width)
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
    is_trainer_control = _is_trainer_control(row)
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


def _is_trainer_control(row: Mapping) -> bool:
    """Whether a row is about a control of a trainer other than the standard one."""
    return row["method"] in placement.CONTROLS and bool(_trainer(row))


def _draw_frontier(axis: Axes, frontier: Sequence[Point]) -> None:
    """Join the points of the frontier; a single one is none."""
    if len(frontier) > 1:
        costs = [point.cost for point in frontier]
        lowest_distances = np.minimum.accumulate([point.distance for point in frontier])
        style = {"color": "0.7", "linewidth": 0.8, "zorder": 0, "label": "frontier"}
        axis.step(costs, lowest_distances, where="post", **style)


def _scale_from_zero(axis: Axes, low: float, high: float) -> None:
    """A logarithmic y axis down to the decade of `low`, with 0 a little below it."""
    lowest_tick = 10.0 ** math.floor(math.log10(low))
    decades = max(1, math.log10(high / lowest_tick))
    axis.set_yscale("symlog", linthresh=lowest_tick, linscale=max(0.3, ZERO_SHARE * decades))
    spacing = math.ceil(decades / MAX_LABELLED_DECADES)
    ticks = [lowest_tick * 10**n for n in range(0, math.ceil(decades) + 1, spacing)]
    axis.set_yticks([0, *ticks])


def _bars(middle: float, low: float, high: float) -> list | None:
    """The two halves of an interval as matplotlib wants them; None where there is none."""
    return [[middle - low], [high - middle]] if np.isfinite(low) else None


def _draw_floors(axis: Axes, rows: pd.DataFrame, table: pd.DataFrame, styles: Mapping) -> None:
    """Draw a line where another retraining would be, for each trainer.

    Args:
        axis: the axes to draw on.
        rows: the rows of the panel.
        table: the whole table, which has the floors.
        styles: the style of each line; a floor has the colour of the oracle of its trainer.
    """
    first = rows.iloc[0]
    floor_metric = floor(first["metric"])
    if floor_metric is None:
        return
    colors = {
        _trainer(row): styles[row["line"]]["color"]
        for row in rows[rows["method"] == "retrain"].to_dict("records")
    }
    is_floor = (table["metric"] == floor_metric.name) & (table["method"] == "retrain")
    for column in ("split", "dataset", "model", "request", "step"):
        is_floor &= table[column] == first[column]
    for row in table[is_floor & (table["n"] > 0)].to_dict("records"):
        trainer = _trainer(row)
        axis.axhline(
            row["mean"],
            linewidth=0.8,
            label="_" if trainer else FLOOR_NAME,
            color=colors.get(trainer, "0.5"),
            linestyle="-.",
        )
