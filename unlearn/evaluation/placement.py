"""Where a value goes in a figure: whether it is drawn, in which panel, on which line.

The planner of a study, the figures and the landing page use the same functions, so that all three
agree. A `figure` is the figure block of an experiment. A `row` is a mapping from the columns of a
table to values; a column without a value is absent, None or NaN.
"""

import math
from collections.abc import Mapping
from typing import Any

from unlearn.metrics.catalogue import METRICS, floor

CONTROLS = ("original", "retrain")
"""Methods that every experiment contains, whether it names them or not."""

LABEL = "label"
"""The key of a row or column of a matrix that holds its label; the others are columns."""

ROLE = "method.role"
"""The column that says whether the method of a row is a control; a table may lack it."""

CONTROL_ROLE = "control"
"""The value of that column for methods that are there to be compared with."""

FLOOR_KINDS = ("frontier", "dots")
"""Kinds of figure that show floors."""

_VALUE_TITLES = {
    "dataset.noised": lambda share: f"{100 * share:g} % noisy",
    "noise.kind": lambda kind: f"{kind.removesuffix('_noise').replace('_', '-')} noise",
}
"""Titles of values that mean little beside the bare name of their column, by column."""

_FIELD_PREFIXES = {"dataset": ("dataset.", "noise.", "squeeze."), "model": ("model.", "recipe.")}
"""The prefixes of the columns with the parameters of a field."""


def metrics_and_splits(figure: Mapping) -> dict:
    """`y`, `split` and `pairs` of a figure, whose metrics may name a split: `accuracy/test`.

    `pairs` maps such a metric to its split. A metric on the x axis is the last of `y`. An empty
    `split` stands for all splits.
    """
    metrics = list(figure["y"]) if isinstance(figure["y"], list) else [figure["y"]]
    if "/" in figure["x"]:
        metrics.append(figure["x"])
    splits = figure["split"] if isinstance(figure["split"], list) else [figure["split"]]
    pairs = dict(metric.split("/", 1) for metric in metrics if "/" in metric)
    has_all_splits = not splits and len(pairs) < len(metrics)
    return {
        "y": [metric.partition("/")[0] for metric in metrics],
        "split": [] if has_all_splits else list(dict.fromkeys([*splits, *pairs.values()])),
        "pairs": pairs,
    }


def floors(figure: Mapping) -> list[str]:
    """The metrics that a figure shows beside its own: how far two oracles are from each other."""
    if figure["kind"] not in FLOOR_KINDS:
        return []
    metric_floors = [floor(metric) for metric in figure["y"]]
    return [metric.name for metric in metric_floors if metric is not None]


def axes(figure: Mapping) -> set[str]:
    """The columns that the reader sees: x, colour, facet, and those of the labels of a matrix."""
    columns = {figure[key] for key in ("x", "colour", "facet") if figure[key] is not None}
    entries = [entry for key in ("rows", "columns") for entry in figure.get(key) or ()]
    return columns.union(*entries) - {LABEL}


def panel_fields(figure: Mapping) -> list[str]:
    """Fields whose values get separate panels: no axis shows them or one of their parameters."""
    columns = axes(figure)
    hidden_fields = [
        field
        for field, prefixes in _FIELD_PREFIXES.items()
        if field not in columns and not any(column.startswith(prefixes) for column in columns)
    ]
    return [*hidden_fields, *({"split", "metric"} - columns)]


def line_name(row: Mapping, figure: Mapping) -> str:
    """The name of the line that a row belongs to.

    The name is the method if a parameter of methods is on an axis, else the variant. A control of a
    trainer other than the standard one names the trainer. A colour that is not about methods comes
    first, and is the whole name where one method alone is drawn or the x axis names the variants.
    """
    by_parameter = any(column.startswith("method.") for column in axes(figure))
    by_method = by_parameter or figure["colour"] == "method"
    name = method_name(row) if by_method else row["variant"]
    colour = figure["colour"]
    if colour in ("variant", "method"):
        return name
    value = column_value(row, colour)
    if value is None:
        return name
    is_named_on_axis = figure["x"] in ("variant", "method") or figure["methods"] == [name]
    if is_named_on_axis and not colour.startswith("method."):
        return title(colour, value)
    if colour.startswith("method.") and row["method"] not in CONTROLS:
        return f"{name}, {colour.partition('.')[2]} {text(value)}"
    return f"{title(colour, value)}, {name}"


def method_name(row: Mapping) -> str:
    """The method of a row; a control of a trainer other than the standard one names the trainer."""
    trainer = column_value(row, "method.trainer")
    has_trainer = row["method"] in CONTROLS and trainer not in (None, "standard")
    return f"{row['method']}@{trainer}" if has_trainer else row["method"]


def is_control(row: Mapping) -> bool:
    """Whether the method of a row is there to be compared with, so that it has no rank."""
    return row["method"] in CONTROLS or column_value(row, ROLE) == CONTROL_ROLE


def trainer(row: Mapping) -> str:
    """The trainer of the models of a row; empty for the standard one.

    The oracle names it with its parameters. Tables without that column have its kind alone.
    """
    oracle = column_value(row, "method.oracle")
    if oracle is not None:
        return oracle.partition("@")[2]
    kind = column_value(row, "method.trainer")
    return "" if kind in (None, "standard") else kind


def original_of(oracle: str) -> str:
    """The name of the control that does nothing to the models of an oracle: `original@sisa`."""
    return f"original{oracle.removeprefix('retrain')}"


def is_in_figure(row: Mapping, figure: Mapping) -> bool:
    """Whether a figure draws a row; `hidden` variants are there to be compared with only."""
    if row["variant"] in figure.get("hidden", ()) or row["metric"] not in figure["y"]:
        return False
    metric_split = figure["pairs"].get(row["metric"])
    splits = [metric_split] if metric_split else figure["split"]
    if splits and row["split"] not in splits:
        return False
    is_nothing = row["method"] == "original" and row["split"] == "forget"
    if is_nothing and not METRICS[row["metric"]].is_drawn_for_original:
        return False
    return figure["methods"] is None or method_name(row) in figure["methods"]


def is_in_every_panel(row: Mapping, figure: Mapping) -> bool:
    """Whether the method or noise of a row lacks the parameter that the panels differ in."""
    facet = figure["facet"] or ""
    return facet.startswith(("method.", "noise.")) and column_value(row, facet) is None


def shade(row: Mapping, figure: Mapping) -> str | None:
    """What the colour of a row's line stands for, where methods share it; else None."""
    colour = figure["colour"]
    if colour in ("variant", "method") or colour.startswith("method."):
        return None
    value = column_value(row, colour)
    return None if value is None else title(colour, value)


def column_value(row: Mapping, column: str) -> Any:
    """The value of a row in a column; None where it has none."""
    value = row.get(column)
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return None if is_missing else value


def text(value: Any) -> str:
    """A value as it was written in the study: a column with gaps has turned 5 into 5.0."""
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def title(column: str, value: Any) -> str:
    """The title of what shares a value: names as they are, numbers with their column."""
    if column == "metric":
        return METRICS[value].title
    if column in _VALUE_TITLES and value is not None:
        return _VALUE_TITLES[column](value)
    if isinstance(value, str) and "." not in column:
        return text(value)
    return f"{column.rpartition('.')[2]} {text(value)}"
