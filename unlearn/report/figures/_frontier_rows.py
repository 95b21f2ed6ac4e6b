"""The rows of a table that a frontier is drawn from, and what each of them is."""

import math
from collections.abc import Mapping

import pandas as pd

from unlearn.evaluation import placement
from unlearn.evaluation.panels import Panel, panels
from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import _style

PANEL_COLUMNS = ["split", "dataset", "model", "request", "step"]
"""The columns that the rows of a panel share with those of its floors and baselines."""

POINT_COLUMNS = ["dataset", "model", "variant", "request", "step"]
"""The columns that a distance and its cost share."""

INTERVAL_COLUMNS = ["mean", "ci_low", "ci_high"]


def panels_with_costs(table: pd.DataFrame, figure: Mapping) -> list[Panel]:
    """The panels of a figure block, whose rows have `mean_cost` and the ends of its interval.

    The cost is the metric on the x axis; it has no panel.
    """
    metric, split = figure["x"].split("/")
    is_cost = (table["metric"] == metric) & (table["split"] == split)
    costs = table.loc[is_cost, [*POINT_COLUMNS, *INTERVAL_COLUMNS]]
    names = {name: f"{name}_cost" for name in INTERVAL_COLUMNS}
    return [
        panel._replace(rows=panel.rows.merge(costs.rename(columns=names), "left", POINT_COLUMNS))
        for panel in panels(table[~is_cost], figure)
    ]


def limits(table: pd.DataFrame, panel: Panel) -> dict[str, float]:
    """The distances of a panel that intervals must lie below to differ from doing nothing.

    They are by trainer, and those of its control `original`: the lower end of the interval, the
    mean where there is none.
    """
    limits_by_trainer: dict[str, float] = {}
    for row in panel_controls(table, panel, panel.rows["metric"].iloc[0], "original"):
        limit = row["ci_low"] if math.isfinite(row["ci_low"]) else row["mean"]
        name = placement.trainer(row)
        limits_by_trainer[name] = min(limit, limits_by_trainer.get(name, math.inf))
    return limits_by_trainer


def panel_controls(table: pd.DataFrame, panel: Panel, metric: str, method: str) -> list[dict]:
    """The rows with a value of a control, of all trainers, that belong to a panel.

    They are there whether the figure draws the control or not.

    Args:
        table: the whole table.
        panel: the panel.
        metric: the metric of the rows.
        method: the control.
    """
    first = panel.rows.iloc[0]
    is_control = (table["metric"] == metric) & (table["method"] == method) & (table["n"] > 0)
    for column in PANEL_COLUMNS:
        is_control &= table[column] == first[column]
    return table[is_control].to_dict("records")


def is_trainer_control(row: Mapping) -> bool:
    """Whether a row is about a control of a trainer other than the standard one."""
    return row["method"] in placement.CONTROLS and bool(placement.trainer(row))


def is_across(row: Mapping, spec: Mapping) -> bool:
    """Whether a row is a line across its panel: it costs nothing, and the axis has no place."""
    cost = spec["x"].split("/")[0]
    is_free = row["method"] == "original" and not METRICS[cost].is_drawn_for_original
    return is_free or (row["mean_cost"] == 0 and spec["xscale"] == "log")


def line_styles(all_rows: pd.DataFrame) -> dict[str, dict]:
    """The style of each line; controls of a trainer have the colour of the first method with it."""
    first_rows = all_rows.drop_duplicates("line").set_index("line")
    is_control = first_rows["method"].isin(placement.CONTROLS)
    methods = first_rows[~is_control]["method"].to_dict()
    trainers = {name: placement.trainer(first_rows.loc[name]) for name in first_rows.index}
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
