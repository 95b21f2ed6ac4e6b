"""Lines with 95 % bands: a metric against a column, one line a colour, one panel a facet."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unlearn.figures import _style

SERIES = "_series"


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.tables`; `spec` is the figure block of an experiment.

    Panels: one for each metric, each value of `facet`, and each data set and model that no axis,
    colour or facet tells apart. Of a stream the last step is shown unless `step` is on an axis. A
    series without an x value (a control that does not have the parameter on the axis) becomes a
    horizontal line.
    """
    used = {spec["x"], spec["colour"], spec["facet"]}
    if "step" not in used:
        table = table[table["step"] == table.groupby("request")["step"].transform("max")]
    apart = ("dataset", "model", "split")
    apart = [c for c in apart if c not in used and table[c].nunique() > 1]
    named = table[spec["colour"]].map(_text, na_action="ignore").fillna(table["variant"])
    table = table.assign(**{SERIES: named})
    across = [spec["facet"]] if spec["facet"] else ["metric"]
    down = [c for c in ("metric", *apart) if c not in across]
    rows = _combinations(table, down)
    columns = _combinations(table, across)
    styles = _style.series_styles(list(table[SERIES].drop_duplicates()))
    figure, axes = _style.panels(len(rows), len(columns))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            place = row | column
            # what lacks the facet's parameter (a control) belongs in every panel
            here = [(table[k] == v) | table[k].isna() for k, v in place.items()]
            part = table[np.logical_and.reduce(here)]
            _panel(axes[i][j], part, spec, place["metric"], styles)
            axes[i][j].set_visible(not part.empty)
            names = [_text(v) for k, v in place.items() if k != "metric"]
            axes[i][j].set_title(", ".join(names))
            if i == len(rows) - 1:
                axes[i][j].set_xlabel(_style.COLUMN_LABELS.get(spec["x"], spec["x"]))
            if j == 0 or "metric" in across:
                label = _style.METRIC_LABELS.get(place["metric"], place["metric"])
                axes[i][j].set_ylabel(label)
    _style.legend(figure, axes, spec["colour"] if "." in spec["colour"] else None)
    _style.footnote(figure, _notes(table))
    return figure


def _combinations(table: pd.DataFrame, columns: list[str]) -> list[dict]:
    return table[columns].dropna().drop_duplicates().to_dict("records") if columns else [{}]


def _text(value) -> str:
    """Numbers as they were written: a column with gaps has turned 5 into 5.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _panel(axes, part: pd.DataFrame, spec: Mapping, metric: str, styles: Mapping) -> None:
    scale = 100 if metric in _style.PERCENT else 1
    categories = None
    if not pd.api.types.is_numeric_dtype(part[spec["x"]]):
        categories = list(part[spec["x"]].dropna().drop_duplicates())
    for name, style in styles.items():
        line = part[(part[SERIES] == name) & part["n"].gt(0)]
        if line.empty:
            continue
        y, low, high = (line[c].to_numpy(float) * scale for c in ("mean", "ci_low", "ci_high"))
        if line[spec["x"]].isna().all():
            plain = {k: v for k, v in style.items() if k != "marker"}
            axes.axhline(y.mean(), label=name, **plain)
            continue
        x = line[spec["x"]]
        x = np.array([categories.index(v) for v in x]) if categories else x.to_numpy(float)
        order = np.argsort(x, kind="stable")
        x, y, low, high = x[order], y[order], low[order], high[order]
        axes.plot(x, y, label=name, **style)
        if np.isfinite(low).any():
            floor = np.where(low > 0, low, y) if spec["yscale"] == "log" else low
            if metric in _style.PERCENT:
                floor, high = np.maximum(floor, 0), np.minimum(high, 100)
            if len(x) == 1:
                axes.vlines(x, floor, high, color=style["color"], linewidth=1)
            axes.fill_between(x, floor, high, color=style["color"], alpha=0.18, linewidth=0)
    if categories:
        axes.set_xticks(range(len(categories)), categories, rotation=20, ha="right")
    else:
        axes.set_xscale(spec["xscale"])
    axes.set_yscale(spec["yscale"])


def _notes(table: pd.DataFrame) -> list[str]:
    counts = sorted(set(table.loc[table["n"] > 0, "n"]))
    seeds = ", ".join(map(str, counts)) or "0"
    notes = [f"mean and 95 % t interval over n = {seeds} seeds"]
    cell = ["dataset", "model", "variant", "request", "step"]
    for flag in ("failed", "diverged"):
        groups = table[table[flag] > 0].drop_duplicates(cell).groupby("variant", sort=False)
        names = [f"{variant} ({cells[flag].sum()} models)" for variant, cells in groups]
        if names:
            notes.append(f"{flag.upper()}, left out: {', '.join(names)}")
    return notes
