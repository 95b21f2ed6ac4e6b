"""Lines with 95 % bands: a metric against a column, one line a colour, one panel a facet."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unlearn.evaluation import placement, tables
from unlearn.report.figures import _categories, _style

MOST_MARKERS = 20  # longer lines have one every tenth of the axis
MOST_TICKS = 8  # on a logarithmic axis each value gets its own, up to so many
LETTERS = 30  # that have room below the narrowest panel
WHOLE = ("step", "points")  # columns of counts
LEAST_SPAN = 10  # of a logarithmic y axis, or chance would look like a trend


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    Panels: one for each metric, each value of `facet`, and each data set, model and split that no
    axis, colour or facet tells apart. Of a stream the last step is shown unless `step` is on an
    axis. A line without x values (a control that lacks the parameter on the axis) is horizontal.
    Where x holds names the axes change places: names have room at the left.
    """
    panels = tables.panels(table, spec)
    across = spec["facet"] or "metric"
    columns = list(dict.fromkeys(place.get(across) for place, _ in panels))
    paired = len({(p.get("metric"), p.get("split")) for p, _ in panels}) == len(columns)
    aside = {across, "split"} if across == "metric" and paired else {across}
    rows = list(dict.fromkeys(_without(place, aside) for place, _ in panels))
    everything = pd.concat([part for _, part in panels])
    names = dict(zip(everything["line"], everything["shade"], strict=True))
    styles = _style.line_styles(
        names, dict(zip(everything["line"], everything["method"], strict=True))
    )
    names_of_x = _categories.of(everything, spec["x"])
    tall = _categories.height(everything, spec["x"]) if names_of_x else None
    figure, axes = _style.panels(len(rows), len(columns), tall)
    for axis in axes.flat:
        axis.set_visible(False)
    for place, part in panels:
        axis = axes[rows.index(_without(place, aside)), columns.index(place.get(across))]
        axis.set_visible(True)
        titles = [placement.title(k, v) for k, v in place.items() if k != "metric"]
        axis.set_title(", ".join(titles))
        if names_of_x:
            _categories.draw(axis, part, spec, styles, names_of_x)
        else:
            _panel(axis, part, spec, styles)
            axis.set_xlabel(_style.COLUMN_LABELS.get(spec["x"], spec["x"]))
            axis.set_ylabel(_style.metrics_label(part["metric"].unique()))
    if names_of_x:
        _style.label_rows(axes)
    else:
        _style.label_outer(axes, by_row=across != "metric")
    if not names_of_x or spec["x"] != spec["colour"] or everything[spec["x"]].isna().any():
        _style.legend(figure, axes)
    _style.footnote(figure, notes(everything))
    return figure


def _without(place: Mapping, columns: set[str]) -> tuple:
    return tuple((k, v) for k, v in place.items() if k not in columns)


def _panel(axis, part: pd.DataFrame, spec: Mapping, styles: Mapping) -> None:
    for name, line in part[part["n"] > 0].groupby("line", sort=False):
        style, scale = styles[name], 100 if line["metric"].iloc[0] in placement.PERCENT else 1
        y, low, high = (line[c].to_numpy(float) * scale for c in ("mean", "ci_low", "ci_high"))
        low, high = _style.clamped(line["metric"].iloc[0], low, high)
        if line[spec["x"]].isna().all():
            axis.axhline(y[0], label=name, **{k: v for k, v in style.items() if k != "marker"})
            if np.isfinite(low[0]):
                axis.axhspan(low[0], high[0], color=style["color"], alpha=0.12, linewidth=0)
            continue
        x = line[spec["x"]].to_numpy(float)
        order = np.argsort(x, kind="stable")
        x, y, low, high = x[order], y[order], low[order], high[order]
        axis.plot(x, y, label=name, markevery=None if len(x) <= MOST_MARKERS else 0.1, **style)
        if np.isfinite(low).any():
            if len(x) == 1:
                axis.vlines(x, low, high, color=style["color"], linewidth=1)
            axis.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
    axis.set_xscale(spec["xscale"])
    values = sorted(set(part[spec["x"]].dropna()))
    if spec["xscale"] == "log" and 0 < len(values) <= MOST_TICKS:
        axis.set_xticks(values, _sparse(values))
        axis.minorticks_off()
    else:
        _style.write_numbers(axis.xaxis)
    axis.set_yscale(spec["yscale"])
    low, high = axis.get_ylim()
    if spec["yscale"] == "log" and high < LEAST_SPAN * low:
        middle = np.sqrt(low * high)
        axis.set_ylim(middle / LEAST_SPAN**0.5, middle * LEAST_SPAN**0.5)
    if spec["xscale"] == "linear" and spec["x"] in WHOLE:
        axis.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    _style.write_numbers(axis.yaxis)


def _sparse(values: list) -> list[str]:
    """The labels of values on a logarithmic axis, without those that would touch the last one."""
    letter = np.log(values[-1] / values[0]) / LETTERS
    labels, end = [], -np.inf
    for place, shown in zip(np.log(values), map(placement.text, values), strict=True):
        half = len(shown) / 2 * letter
        labels.append(shown if place - half >= end else "")
        end = place + half + letter if labels[-1] else end
    return labels


def notes(table: pd.DataFrame) -> list[str]:
    """What stands below a figure: what a point is, and what is missing."""
    counts = sorted(set(table.loc[table["n"] > 0, "n"]))
    seeds = ", ".join(map(str, counts)) or "0"
    notes = [f"mean and 95 % t interval over n = {seeds} seeds"]
    for flag in ("failed", "diverged"):
        most = table[table[flag] > 0].groupby("variant", sort=False)[flag].max()
        names = [
            f"{variant} (at most {seeds} of a cell's seeds)" for variant, seeds in most.items()
        ]
        if names:
            notes.append(f"{flag.upper()}, left out: {', '.join(names)}")
    if "unconverged" in table and (table["unconverged"] > 0).any():
        names = table.loc[table["unconverged"] > 0, "dataset"].unique()
        notes.append(f"noise did NOT CONVERGE, kept: {', '.join(names)}")
    return notes
