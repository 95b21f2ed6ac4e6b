"""Panels whose x column holds names: a row for each, values to the right."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from unlearn.evaluation import placement
from unlearn.report.figures import _style

ROW = 0.17
"""Inches of a category of one line of text."""

LETTER = 0.075
"""Inches of a letter of an axis label."""

WIDEST = 24
"""Characters of a label; longer ones go on below."""

MOST_TICKS = 5
"""Labels for which the narrowest panel has room."""

PARAMETER = re.compile(r"-(?=[A-Za-z_][\w.]*=)")
"""Where a canonical name is cut: numbers have dashes of their own."""


def of(part: pd.DataFrame, column: str) -> list | None:
    """The names in a column, in the order of the table; None where it holds numbers."""
    values = part[column].dropna()
    if values.empty or pd.api.types.is_numeric_dtype(values):
        return None
    return list(values.drop_duplicates())


def height(part: pd.DataFrame, column: str) -> float:
    """Inches that a panel needs for the names and for the lines that share one."""
    text = sum(1 + 1.6 * label.count("\n") for label in labels(of(part, column)))
    shared = sum(part.groupby(column)["line"].nunique())
    return max(1.1, 0.35 + ROW * max(text, 0.7 * shared))


def labels(names: Sequence[str]) -> list[str]:
    """The names without what all names with the same beginning say, cut at dashes."""
    parts = [PARAMETER.split(str(name)) for name in names]
    heads = {}
    for head, *rest in parts:
        heads.setdefault(head, []).append(set(rest))
    shared = {h: set.intersection(*s) if len(s) > 1 else set() for h, s in heads.items()}
    return [_cut([head, *(p for p in rest if p not in shared[head])]) for head, *rest in parts]


def _cut(parts: Sequence[str]) -> str:
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}-{part}"
        lines[-1:] = [longer] if len(longer) <= WIDEST else [lines[-1], part]
    return "\n".join(lines)


def draw(axis, part: pd.DataFrame, spec: Mapping, styles: Mapping, names: Sequence) -> None:
    """A point with its interval for each line and name; a line without a name is vertical."""
    drawn = part[part["n"] > 0]
    lines = list(drawn.loc[drawn[spec["x"]].notna(), "line"].drop_duplicates())
    shared = drawn.dropna(subset=[spec["x"]]).groupby(spec["x"])["line"].nunique().max()
    for name, line in drawn.groupby("line", sort=False):
        scale = 100 if line["metric"].iloc[0] in placement.PERCENT else 1
        x, low, high = (line[c].to_numpy(float) * scale for c in ("mean", "ci_low", "ci_high"))
        style = dict(styles[name])
        if line[spec["x"]].isna().all():
            style.pop("marker")
            axis.axvline(x[0], label=name, **style)
            if np.isfinite(low[0]):
                low, high = _style.clamped(line["metric"].iloc[0], low, high)
                axis.axvspan(low[0], high[0], color=style["color"], alpha=0.12, linewidth=0)
            continue
        place = (lines.index(name) - (len(lines) - 1) / 2) / len(lines)
        apart = 0.7 * place if shared > 1 else 0
        y = np.array([names.index(v) for v in line[spec["x"]]]) + apart
        low, high = _style.clamped(line["metric"].iloc[0], low, high)
        bars = np.nan_to_num([x - low, high - x])
        style["linestyle"] = "none"
        axis.errorbar(x, y, xerr=bars, label=name, elinewidth=1, **style)
    axis.set_yticks(range(len(names)), labels(names))
    axis.set_ylim(len(names) - 0.5, -0.5)
    values = drawn["mean"][drawn["mean"] > 0]
    if spec["yscale"] == "log" and (drawn["mean"] == 0).any() and len(values):
        axis.set_xscale("symlog", linthresh=values.min())  # the oracle's distance to itself is 0
    else:
        axis.set_xscale(spec["yscale"])
    if axis.get_xscale() == "log":
        _label_few(axis)
    elif axis.get_xscale() == "linear":
        axis.locator_params(axis="x", nbins=MOST_TICKS)
        _style.write_numbers(axis.xaxis)
    label = _style.COLUMN_LABELS.get(spec["x"], spec["x"])
    room = int(height(part, spec["x"]) / LETTER)
    axis.set_ylabel("\n".join(textwrap.wrap(label, room)))
    axis.set_xlabel(_style.metrics_label(part["metric"].unique()))


def _label_few(axis) -> None:
    """Powers of ten alone; where fewer than two are in sight, twice and five times them as well."""
    low, high = axis.get_xlim()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    seen = {f: [f * p for p in powers if low <= f * p <= high] for f in (1, 2, 5)}
    if len(seen[1]) >= 2:
        axis.xaxis.set_minor_formatter(NullFormatter())
        return
    places = seen[2] + seen[5]
    if len(places + seen[1]) < 2:
        places = MaxNLocator(3).tick_values(low, high)
    axis.xaxis.set_minor_locator(FixedLocator(places))
    axis.xaxis.set_major_formatter(_style.Numbers())
    axis.xaxis.set_minor_formatter(_style.Numbers(minor_thresholds=(np.inf, np.inf)))
