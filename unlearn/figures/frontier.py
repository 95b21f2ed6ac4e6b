"""Quality against cost: one point a variant, and the frontier of those that none beats in both."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unlearn import layout, tables
from unlearn.figures import _style, lines

X = "metric"
"""The x axis is a metric on a split, not a column."""

ANOTHER = "another retraining"
WHERE = ["dataset", "model", "variant", "request", "step"]


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.tables`; `spec` is the figure block of an experiment.

    Panels: one for each other metric, and for each data set, model and value of `facet`. What
    does nothing has no cost: a horizontal line. A second line, where the table has it, is how far
    the oracle is from those of other seeds. Lower is better, on both axes.
    """
    cost, split = spec["x"].split("/")
    of_cost = (table["metric"] == cost) & (table["split"] == split)
    costs = table[of_cost].set_index(WHERE)[["mean", "ci_low", "ci_high"]].add_suffix("_cost")
    panels = tables.panels(table[~of_cost], spec)
    panels = [(place, part.join(costs, on=WHERE)) for place, part in panels]
    metrics = list(dict.fromkeys((p.get("metric"), p.get("split")) for p, _ in panels))
    rows = list(dict.fromkeys(_where(place) for place, _ in panels))
    styles = _style.line_styles(
        {name: None for _, part in panels for name in part["line"].drop_duplicates()}
    )
    figure, axes = _style.panels(len(rows), len(metrics))
    for axis in axes.flat:
        axis.set_visible(False)
    for place, part in panels:
        column = metrics.index((place.get("metric"), place.get("split")))
        axis = axes[rows.index(_where(place)), column]
        axis.set_visible(True)
        _panel(axis, part, spec, styles)
        _floor(axis, part, table, styles)
        axis.set_title(", ".join(layout.title(k, v) for k, v in place.items() if k != "metric"))
        axis.set_xlabel(_style.METRIC_LABELS.get(cost, cost))
        axis.set_ylabel(_style.metrics_label(part["metric"].unique()))
    _style.label_outer(axes, by_row=False)
    _style.legend(figure, axes)
    _style.footnote(figure, lines.notes(pd.concat([part for _, part in panels])))
    return figure


def _where(place: Mapping) -> tuple:
    return tuple((k, v) for k, v in place.items() if k not in ("metric", "split"))


def _panel(axis, part: pd.DataFrame, spec: Mapping, styles: Mapping) -> None:
    points = []
    axis.set_xscale(spec["xscale"])
    for row in part[part["n"] > 0].to_dict("records"):
        style = {k: v for k, v in styles[row["line"]].items() if k != "linestyle"}
        x, left, right = (row[f"{c}_cost"] for c in ("mean", "ci_low", "ci_high"))
        y, low, high = (row[c] for c in ("mean", "ci_low", "ci_high"))
        free = row["method"] == "original" and spec["x"].split("/")[0] in layout.SPENT
        if free or (x == 0 and spec["xscale"] == "log"):
            axis.axhline(y, label=row["line"], color=style["color"], linestyle=":")
            continue
        points.append((x, y))
        left, right = _style.clamped(spec["x"], x, left, right, spec["xscale"])
        low, high = _style.clamped(row["metric"], y, low, high, "linear")
        bars = {"xerr": _bars(x, left, right), "yerr": _bars(y, low, high)}
        axis.errorbar(x, y, fmt="none", ecolor=style["color"], elinewidth=0.8, **bars)
        axis.plot(x, y, label=row["line"], linestyle="none", clip_on=False, **style)
    if points:
        xs, ys = zip(*sorted(points), strict=True)
        best = np.minimum.accumulate(ys)
        axis.step(xs, best, where="post", color="0.7", linewidth=0.8, zorder=0, label="frontier")
    positive = [y for _, y in points if y > 0]
    if spec["yscale"] == "log" and positive:  # the oracle's distance to itself is 0
        axis.set_yscale("symlog", linthresh=min(positive))
    axis.set_ylim(bottom=0)


def _bars(middle: float, low: float, high: float) -> list | None:
    return [[middle - low], [high - middle]] if np.isfinite(low) else None


def _floor(axis, part: pd.DataFrame, table: pd.DataFrame, styles: Mapping) -> None:
    """Where the oracle of another seed would be, in the colour of the oracle, where it is drawn."""
    lines_of = part.set_index("variant")["line"].to_dict()
    first = part.iloc[0]
    same = table["metric"] == f"{first['metric']}_reseeded"
    for column in ("split", "dataset", "model", "request", "step"):
        same &= table[column] == first[column]
    for row in table[same & (table["method"] == "retrain") & (table["n"] > 0)].to_dict("records"):
        trainer = layout.method(row).partition("@")[2]
        style = {"color": styles.get(lines_of.get(row["variant"]), {}).get("color", "0.5")}
        style["linestyle"] = "-." if trainer else "--"
        name = f"{ANOTHER} ({trainer})" if trainer else ANOTHER
        axis.axhline(row["mean"], linewidth=0.8, label=name, **style)
