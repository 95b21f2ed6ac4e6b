"""Lines with 95 % bands: a metric against a column, one line a colour, one panel a facet."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unlearn.figures import _style


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.tables`; `spec` is the figure block of an experiment.

    Panels: one column for each value of `facet`, one row for each metric and for each data set and
    model that no axis, colour or facet tells apart. Of a stream the last step is shown unless
    `step` is on an axis. A series without an x value (a control that does not have the parameter
    on the axis) becomes a horizontal line.
    """
    used = {spec["x"], spec["colour"], spec["facet"]}
    if "step" not in used:
        table = table[table["step"] == table["step"].max()]
    inside = [c for c in ("dataset", "model") if c not in used and table[c].nunique() > 1]
    rows = list(table[["metric", *inside]].drop_duplicates().itertuples(index=False, name=None))
    facets = list(table[spec["facet"]].drop_duplicates()) if spec["facet"] else [None]
    styles = _style.series_styles(list(table[spec["colour"]].drop_duplicates()))
    figure, axes = _style.panels(len(rows), len(facets))
    for i, (metric, *place) in enumerate(rows):
        for j, facet in enumerate(facets):
            part = table[table["metric"] == metric]
            for column, value in zip(inside, place, strict=True):
                part = part[part[column] == value]
            if facet is not None:
                part = part[part[spec["facet"]] == facet]
            title = ", ".join(map(str, [*place, *([facet] if facet is not None else [])]))
            _panel(axes[i][j], part, spec, metric, styles)
            axes[i][j].set_title(title)
            if i == len(rows) - 1:
                axes[i][j].set_xlabel(_style.COLUMN_LABELS.get(spec["x"], spec["x"]))
            if j == 0:
                axes[i][j].set_ylabel(_style.METRIC_LABELS.get(metric, metric))
    handles = {h.get_label(): h for row in axes for a in row for h in a.get_legend_handles_labels()[0]}
    if handles:
        columns = min(len(handles), 4)
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns, frameon=False)
    figure.supxlabel(_footnote(table, spec), fontsize=6.5, color="0.35")
    return figure


def _panel(axes, part: pd.DataFrame, spec: Mapping, metric: str, styles: Mapping) -> None:
    scale = 100 if metric in _style.PERCENT else 1
    categories = None
    if not pd.api.types.is_numeric_dtype(part[spec["x"]]):
        categories = list(part[spec["x"]].dropna().drop_duplicates())
    for name, style in styles.items():
        line = part[(part[spec["colour"]] == name) & part["n"].gt(0)]
        if line.empty:
            continue
        y, low, high = (line[c].to_numpy(float) * scale for c in ("mean", "ci_low", "ci_high"))
        if line[spec["x"]].isna().all():
            plain = {k: v for k, v in style.items() if k != "marker"}
            axes.axhline(y.mean(), label=str(name), **plain)
            continue
        x = line[spec["x"]]
        x = np.array([categories.index(v) for v in x]) if categories else x.to_numpy(float)
        order = np.argsort(x, kind="stable")
        x, y, low, high = x[order], y[order], low[order], high[order]
        axes.plot(x, y, label=str(name), **style)
        if np.isfinite(low).any():
            floor = np.where(low > 0, low, y) if spec["yscale"] == "log" else low
            axes.fill_between(x, floor, high, color=style["color"], alpha=0.18, linewidth=0)
    if categories:
        axes.set_xticks(range(len(categories)), categories, rotation=20, ha="right")
    else:
        axes.set_xscale(spec["xscale"])
    axes.set_yscale(spec["yscale"])


def _footnote(table: pd.DataFrame, spec: Mapping) -> str:
    counts = sorted(set(table.loc[table["n"] > 0, "n"]))
    seeds = ", ".join(map(str, counts)) or "0"
    lines = [f"mean and 95 % t interval over n = {seeds} seeds"]
    for flag in ("failed", "diverged"):
        cells = table[table[flag] > 0].drop_duplicates(["dataset", "model", "variant", "request", "step"])
        if len(cells):
            names = ", ".join(f"{v} ({len(g)} cells)" for v, g in cells.groupby("variant", sort=False))
            lines.append(f"{flag.upper()}, left out: {names}")
    return "\n".join(lines)
