"""The sensitivity figure: how good every trial of tuning is, one row a method."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearn.report.figures import _style
from unlearn.report.figures._labels import part_label, variant_labels, wrapped

PANEL = ["dataset", "model", "request"]
"""The columns that tell panels apart."""

PANEL_INCHES = 3.6
ROW_INCHES = 0.22
"""Least height of a method."""

LEVEL_INCHES = 0.06
"""Height of a trial in a stack."""

MARGIN_INCHES = 1.3
LABEL_INCHES = 0.2
TITLE_LETTERS = 28

LIMITS = (-0.03, 1.08)
"""Ends of the x axis, as multiples of the largest objective of a panel."""

MARKER_SHARE = 0.04
"""Width of a marker, as a multiple of the largest objective: nearer trials are stacked."""

KINDS = {
    "other trials": {"color": "0.7", "marker": "o", "markersize": 3, "zorder": 2},
    "defaults": {
        "color": "black",
        "marker": "o",
        "markersize": 5,
        "markerfacecolor": "none",
        "zorder": 3,
    },
    "chosen": {"color": "#D55E00", "marker": "D", "markersize": 4, "zorder": 4},
}
"""The trials that are told apart; the first of a method has the parameters of the study."""


def draw(table: pd.DataFrame, method_labels: Mapping[str, str]) -> Figure:
    """The figure of a table of trials; trials whose markers would overlap lie in a stack.

    `method_labels`: the labels of methods, by the names that they are registered under.
    """
    panels = [(names, _with_levels(panel)) for names, panel in table.groupby(PANEL, sort=False)]
    height = max(sum(_row_heights(panel)) for _, panel in panels)
    size = (LABEL_INCHES + PANEL_INCHES * len(panels), MARGIN_INCHES + height)
    figure = _style.pyplot.figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel_axes, (names, panel) in zip(axes, panels, strict=True):
        _draw_panel(panel_axes, panel, method_labels)
        panel_axes.set_title(wrapped(", ".join(map(part_label, names)), TITLE_LETTERS), loc="left")
        panel_axes.set_xlabel("Objective of tuning (0 is right)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(KINDS), frameon=False)
    return figure


def _limit(panel: pd.DataFrame) -> float:
    """The largest objective of a panel; 1 where none is above 0."""
    largest = panel["objective"].max()
    return largest if largest > 0 else 1.0  # without a usable trial it is NaN


def _with_levels(panel: pd.DataFrame) -> pd.DataFrame:
    """The usable trials of a panel with their `level`, and the others; the best method is first.

    The trials that have marks of their own are nearest to the line of their method.
    """
    best = panel.groupby("variant")["objective"].transform("min")
    marks = (panel["is_chosen"] == 1) * 2 + (panel["trial"] == 0)
    order = panel.assign(best=best, marks=marks).sort_values(
        ["best", "marks"], ascending=[True, False], kind="stable"
    )
    width = MARKER_SHARE * _limit(panel)
    levels = order.groupby("variant", sort=False)["objective"].transform(_levels, width)
    return panel.loc[order.index].assign(level=levels)


def _levels(objectives: Sequence[float], width: float) -> list[int]:
    """How many markers above the line of its method every trial lies; below it is negative.

    A trial takes the level nearest to the line where no earlier trial is within `width`.
    """
    levels: list[int] = []
    for objective in objectives:
        taken_levels = {
            level
            for level, other in zip(levels, objectives, strict=False)
            if abs(other - objective) < width
        }
        candidates = (sign * size for size in itertools.count() for sign in (1, -1))
        levels.append(next(level for level in candidates if level not in taken_levels))
    return levels


def _row_heights(panel: pd.DataFrame) -> list[float]:
    """The height of each method of a panel, in inches, in the order of the panel."""
    levels = panel["level"].abs().groupby(panel["variant"], sort=False).max()
    return [max(ROW_INCHES, LEVEL_INCHES * (2 * level + 2)) for level in levels]


def _draw_panel(axes: Axes, panel: pd.DataFrame, method_labels: Mapping[str, str]) -> None:
    """The trials of the methods of one panel, from top to bottom; the y axis is in inches."""
    order = list(panel["variant"].unique())
    labels = variant_labels(order, method_labels)
    heights = _row_heights(panel)
    ends = np.cumsum(heights)
    centers = ends - np.array(heights) / 2
    for center, variant in zip(centers, order, strict=True):
        rows = panel[panel["variant"] == variant]
        usable = rows.dropna(subset=["objective"])
        chosen = usable["is_chosen"] == 1
        is_default = usable["trial"] == 0
        groups = {
            "other trials": usable[~chosen & ~is_default],
            "defaults": usable[is_default],
            "chosen": usable[chosen],
        }
        for kind, group in groups.items():
            label = kind if variant == order[0] else None
            y = center - LEVEL_INCHES * group["level"]
            axes.plot(group["objective"], y, linestyle="none", label=label, **KINDS[kind])
        failed = len(rows) - len(usable)
        if failed:
            axes.text(
                1.02,
                center,
                f"{failed} of {len(rows)} unusable",
                transform=axes.get_yaxis_transform(),
                fontsize=6,
                color="0.4",
                va="center",
            )
    axes.set_yticks(centers, [labels[name] for name in order])
    axes.set_ylim(ends[-1], 0)
    low, high = LIMITS
    axes.set_xlim(low * _limit(panel), high * _limit(panel))
