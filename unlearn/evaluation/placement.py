"""Where a value goes in a figure: whether it is drawn, in which panel, on which line.

Used when a study is planned, when the figure is drawn and when the landing page prints its
numbers, so that all three agree. Rows are mappings from columns to values; a column that a row
lacks is absent or NaN.
"""

import math
from collections.abc import Mapping

CONTROLS = ("original", "retrain")
"""Methods that every experiment contains, asked for or not."""

PERCENT = (
    "accuracy",
    "vote_accuracy",
    "tie_fraction",
    "lone_accuracy",
    "lone_accuracy_min",
    "lone_accuracy_max",
    "accuracy_gap",
    "accuracy_gap_scratch",
    "accuracy_gap_taught",
    "active_fraction",
)
"""Metrics that are stored as fractions and shown in percent."""

_WORK = (
    "wall_seconds",
    "cpu_seconds",
    "io_seconds",
    "gradient_evaluations",
    "forward_evaluations",
    "flops",
    "optimizer_steps",
)

SPENT = (*_WORK, "speedup", "speedup_seconds")
"""Metrics that are not drawn for doing nothing, which costs nothing."""

COSTS = (*_WORK, "bytes_stored", "peak_memory_bytes")
"""Metrics that every method has and that are better low: what a frontier is drawn against."""

DISTANCES = ("kl", "kl_reverse", "js", "l2", "l2_relative", "kl_scratch", "kl_taught")
"""Metrics that are 0 for a perfect method and never below: what a frontier is drawn of."""

_FLOORS = ("kl", "js", "l2")

_WORDS = {
    "dataset.noised": lambda share: f"{100 * share:g} % noisy",
    "noise.kind": lambda kind: f"{kind.replace('_', '-')} noise",
}
"""Values that say little beside the bare name of their column."""

_METRICS = {
    "vote_accuracy": "accuracy of plain votes",
    "lone_accuracy": "accuracy of the average constituent",
}
"""Metrics whose names say little."""

_FIELDS = {"dataset": ("dataset.", "noise."), "model": ("model.", "recipe.")}


def shown(figure: Mapping) -> dict:
    """`y`, `split` and `pairs` of a figure, whose metrics may name a split: `accuracy/test`.

    `pairs` maps such a metric to its split. A metric on the x axis is the last of `y`.
    """
    metrics = figure["y"] if isinstance(figure["y"], list) else [figure["y"]]
    metrics = [*metrics, *([figure["x"]] if "/" in figure["x"] else [])]
    splits = figure["split"] if isinstance(figure["split"], list) else [figure["split"]]
    pairs = dict(metric.split("/", 1) for metric in metrics if "/" in metric)
    everything = not splits and len(pairs) < len(metrics)
    return {
        "y": [metric.partition("/")[0] for metric in metrics],
        "split": [] if everything else list(dict.fromkeys([*splits, *pairs.values()])),
        "pairs": pairs,
    }


def floors(figure: Mapping) -> list[str]:
    """Metrics that a figure shows beside its own: how far two oracles are from each other."""
    asked = figure["y"] if figure["kind"] == "frontier" else ()
    return [f"{metric}_reseeded" for metric in asked if metric in _FLOORS]


def axes(figure: Mapping) -> set[str]:
    """The columns that the reader sees: x, colour and facet."""
    return {figure[key] for key in ("x", "colour", "facet") if figure[key] is not None}


def panel_fields(figure: Mapping) -> list[str]:
    """Fields that get panels of their own, because no axis shows them or a parameter of them."""
    used = axes(figure)
    hidden = [
        field
        for field, prefixes in _FIELDS.items()
        if field not in used and not any(column.startswith(prefixes) for column in used)
    ]
    return [*hidden, *({"split", "metric"} - used)]


def line(row: Mapping, figure: Mapping) -> str:
    """The name of the line that a row belongs to.

    Its method, if a parameter of methods is on an axis, else its variant. A control of a trainer
    other than the standard one says so. A colour that is not about methods comes before it, and
    is enough where one method alone is drawn.
    """
    by_parameter = any(column.startswith("method.") for column in axes(figure))
    by_method = by_parameter or figure["colour"] == "method"
    name = method(row) if by_method else row["variant"]
    colour = figure["colour"]
    if colour in ("variant", "method"):
        return name
    shown = value(row, colour)
    if shown is None:
        return name
    if figure["methods"] == [name] and not colour.startswith("method."):
        return title(colour, shown)
    if colour.startswith("method.") and row["method"] not in CONTROLS:
        return f"{name}, {colour.partition('.')[2]} {text(shown)}"
    return f"{title(colour, shown)}, {name}"


def method(row: Mapping) -> str:
    """The method of a row; a control of a trainer other than the standard one says so."""
    trainer = value(row, "method.trainer")
    control = row["method"] in CONTROLS and trainer not in (None, "standard")
    return f"{row['method']}@{trainer}" if control else row["method"]


def chosen(row: Mapping, figure: Mapping) -> bool:
    """Whether a row is drawn at all; `hidden` variants are there to be compared with only."""
    if row["variant"] in figure.get("hidden", ()) or row["metric"] not in figure["y"]:
        return False
    of_metric = figure["pairs"].get(row["metric"])
    splits = [of_metric] if of_metric else figure["split"]
    if splits and row["split"] not in splits:
        return False
    if row["method"] == "original" and row["metric"] in SPENT and row["split"] == "forget":
        return False
    return figure["methods"] is None or method(row) in figure["methods"]


def shade(row: Mapping, figure: Mapping) -> str | None:
    """What the colour of a row's line stands for, where methods share it; else None."""
    colour = figure["colour"]
    shown = None if colour in ("variant", "method") else value(row, colour)
    if shown is None or colour.startswith("method."):
        return None
    return title(colour, shown)


def everywhere(row: Mapping, figure: Mapping) -> bool:
    """Whether a row belongs in every panel: its method or noise lacks the facet's parameter."""
    facet = figure["facet"] or ""
    return facet.startswith(("method.", "noise.")) and value(row, facet) is None


def value(row: Mapping, column: str):
    """A row's value in a column; None where it has none."""
    found = row.get(column)
    missing = found is None or (isinstance(found, float) and math.isnan(found))
    return None if missing else found


def text(shown) -> str:
    """Numbers as they were written: a column with gaps has turned 5 into 5.0."""
    return f"{shown:g}".replace("e-0", "e-") if isinstance(shown, float) else str(shown)


def title(column: str, shown) -> str:
    """What a panel is about: names as they are, numbers with their column."""
    if column == "metric":
        return _METRICS.get(shown, shown.replace("_", " "))
    if column in _WORDS:
        return _WORDS[column](shown)
    bare = column.rpartition(".")[2]
    return text(shown) if isinstance(shown, str) and "." not in column else f"{bare} {text(shown)}"
