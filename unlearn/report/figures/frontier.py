"""Quality against cost: one point a variant, and the frontier of those that none beats in both."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unlearn.evaluation import placement, tables
from unlearn.report.figures import _style, lines

X = "metric"
"""The x axis is a metric on a split, not a column."""

ANOTHER = "another retraining"
OWN = (
    "a method is compared with the oracle of its own trainer; rings and dash-dotted lines in its "
    "colour: retrain and another retraining of that trainer"
)
FRONTIER = (
    "frontier: methods that none beats in both, whose intervals lie below that of doing nothing; "
    "drawn where there are two or more"
)
TALL = 2.3
"""Inches of a panel: points that lie close must be told apart."""

EDGE = 0.008
"""The width of the interval of a line across the panel, as a share of it, at the left."""
ZERO = 0.1  # share of a logarithmic y axis below its first decade, where 0 is
MOST_DECADES = 6  # that are labelled
WHERE = ["dataset", "model", "variant", "request", "step"]


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    Panels: one for each other metric, and for each data set, model and value of `facet`. What
    does nothing has no cost: a horizontal line. A second line, where the table has it, is how far
    the oracle is from those of other seeds. Controls of a method's own trainer have its colour.
    Lower is better, on both axes.
    """
    cost, split = spec["x"].split("/")
    of_cost = (table["metric"] == cost) & (table["split"] == split)
    costs = table[of_cost].set_index(WHERE)[["mean", "ci_low", "ci_high"]].add_suffix("_cost")
    panels = tables.panels(table[~of_cost], spec)
    panels = [(place, part.join(costs, on=WHERE)) for place, part in panels]
    metrics = list(dict.fromkeys((p.get("metric"), p.get("split")) for p, _ in panels))
    rows = list(dict.fromkeys(_where(place) for place, _ in panels))
    styles = _styles(pd.concat([part for _, part in panels]))
    figure, axes = _style.panels(len(rows), len(metrics), TALL)
    for axis in axes.flat:
        axis.set_visible(False)
    for place, part in panels:
        column = metrics.index((place.get("metric"), place.get("split")))
        axis = axes[rows.index(_where(place)), column]
        axis.set_visible(True)
        _panel(axis, part, spec, styles)
        _floor(axis, part, table, styles)
        axis.set_title(", ".join(placement.title(k, v) for k, v in place.items() if k != "metric"))
        axis.set_xlabel(_style.METRIC_LABELS.get(cost, cost))
        axis.set_ylabel(_style.metrics_label(part["metric"].unique()))
    _style.label_outer(axes, by_row=False)
    _style.legend(figure, axes)
    _style.footnote(figure, _notes(pd.concat([part for _, part in panels])))
    return figure


def _styles(everything: pd.DataFrame) -> dict[str, dict]:
    """The look of each line; controls of a trainer have the colour of the first method with it."""
    first = everything.drop_duplicates("line").set_index("line")
    controls = first["method"].isin(placement.CONTROLS)
    methods = first[~controls]["method"].to_dict()
    apart = [name for name in first.index if controls[name] and _trainer(first.loc[name])]
    styles = _style.line_styles({name: None for name in first.index if name not in apart}, methods)
    of_trainer = {_trainer(first.loc[name]): styles[name] for name in reversed(methods)}
    for name in apart:
        control = _style.CONTROL_STYLES[first.loc[name, "method"]]
        own = of_trainer.get(_trainer(first.loc[name]))
        styles[name] = control | ({"color": own["color"]} if own else {})
    return styles


def _trainer(row: Mapping) -> str:
    """Whose models a row is about; empty for the standard trainer's."""
    trainer = placement.value(row, "method.trainer")
    return "" if trainer in (None, "standard") else trainer


def _notes(everything: pd.DataFrame) -> list[str]:
    controls = everything[everything["method"].isin(placement.CONTROLS)]
    own = any(map(_trainer, controls.to_dict("records")))
    return [*lines.notes(everything), *([OWN] if own else []), FRONTIER]


def _where(place: Mapping) -> tuple:
    return tuple((k, v) for k, v in place.items() if k not in ("metric", "split"))


def _panel(axis, part: pd.DataFrame, spec: Mapping, styles: Mapping) -> None:
    points, idle, least = [], {}, {}
    for row in part[part["n"] > 0].to_dict("records"):
        control = row["method"] in placement.CONTROLS
        own = control and _trainer(row)
        style = {k: v for k, v in styles[row["line"]].items() if k != "linestyle"}
        name = row["line"]
        x, left, right = (row[f"{c}_cost"] for c in ("mean", "ci_low", "ci_high"))
        y, low, high = (row[c] for c in ("mean", "ci_low", "ci_high"))
        free = row["method"] == "original" and spec["x"].split("/")[0] in placement.SPENT
        if free or (x == 0 and spec["xscale"] == "log"):
            idle[_trainer(row)] = max(y, idle.get(_trainer(row), y))
            width = 1.8 if own else 1  # one is seen behind the other
            axis.axhline(y, label=name, color=style["color"], linestyle=":", linewidth=width)
            if np.isfinite(low):
                least[_trainer(row)] = max(low, least.get(_trainer(row), low))
                low, high = _style.clamped(row["metric"], low, high)
                start = 2 * EDGE * (len(idle) - 1)
                axis.axhspan(low, high, start, start + EDGE, color=style["color"], linewidth=0)
            continue
        points.append((x, y, high if np.isfinite(high) else y, _trainer(row)))
        left, right = _style.clamped(spec["x"], left, right)
        low, high = _style.clamped(row["metric"], low, high)
        bars = {"xerr": _bars(x, left, right), "yerr": _bars(y, low, high)}
        axis.errorbar(x, y, fmt="none", ecolor=style["color"], elinewidth=0.8, **bars)
        if control:  # rings, for they all are at 0
            style |= {"markerfacecolor": "none", "markersize": 10 if own else 7.5}
        name = "_" if own else name
        axis.plot(x, y, label=name, linestyle="none", clip_on=False, **style)
    _frontier(axis, points, idle | least)
    axis.set_xscale(spec["xscale"])
    positive = [y for y in (*(y for _, y, *_ in points), *idle.values()) if y > 0]
    if spec["yscale"] == "log" and positive:  # the oracle's distance to itself is 0
        _from_zero(axis, min(positive), max(positive))
    axis.set_ylim(bottom=0)


def _frontier(
    axis, points: list[tuple[float, float, float, str]], idle: Mapping[str, float]
) -> None:
    """Join the points that none beats in both; who is not told from doing nothing is none of them.

    `points`: x, y, the end of its interval, and trainer; `idle`: where the interval of doing
    nothing begins, by trainer.
    """
    nothing = {trainer: idle.get(trainer, idle.get("", np.inf)) for *_, trainer in points}
    good = sorted((x, y) for x, y, high, trainer in points if high < nothing[trainer])
    if good[1:]:
        xs, ys = zip(*good, strict=True)
        best = np.minimum.accumulate(ys)
        axis.step(xs, best, where="post", color="0.7", linewidth=0.8, zorder=0, label="frontier")


def _from_zero(axis, low: float, high: float) -> None:
    """A logarithmic y axis down to the decade of `low`, and 0 a little below it."""
    least = 10.0 ** math.floor(math.log10(low))
    decades = max(1, math.log10(high / least))
    axis.set_yscale("symlog", linthresh=least, linscale=max(0.3, ZERO * decades))
    every = math.ceil(decades / MOST_DECADES)
    ticks = [least * 10**n for n in range(0, math.ceil(decades) + 1, every)]
    axis.set_yticks([0, *ticks])


def _bars(middle: float, low: float, high: float) -> list | None:
    return [[middle - low], [high - middle]] if np.isfinite(low) else None


def _floor(axis, part: pd.DataFrame, table: pd.DataFrame, styles: Mapping) -> None:
    """Where the oracle of another seed would be, in the colour of the oracle, where it is drawn."""
    colours = {
        _trainer(row): styles[row["line"]]["color"]
        for row in part[part["method"] == "retrain"].to_dict("records")
    }
    first = part.iloc[0]
    same = table["metric"] == f"{first['metric']}_reseeded"
    for column in ("split", "dataset", "model", "request", "step"):
        same &= table[column] == first[column]
    for row in table[same & (table["method"] == "retrain") & (table["n"] > 0)].to_dict("records"):
        trainer = _trainer(row)
        style = {"color": colours.get(trainer, "0.5"), "linestyle": "-."}
        name = "_" if trainer else ANOTHER
        axis.axhline(row["mean"], linewidth=0.8, label=name, **style)
