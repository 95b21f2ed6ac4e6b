"""The sensitivity figure: how good every trial of tuning is, one row a method."""

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
MARGIN_INCHES = 1.3
LABEL_INCHES = 0.2
TITLE_LETTERS = 28

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


def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table of trials."""
    panels = list(table.groupby(PANEL, sort=False))
    rows = max(panel["variant"].nunique() for _, panel in panels)
    size = (
        LABEL_INCHES + PANEL_INCHES * len(panels),
        MARGIN_INCHES + ROW_INCHES * rows,
    )
    figure = _style.pyplot.figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel_axes, (names, panel) in zip(axes, panels, strict=True):
        _draw_panel(panel_axes, panel)
        panel_axes.set_title(wrapped(", ".join(map(part_label, names)), TITLE_LETTERS), loc="left")
        panel_axes.set_xlabel("Objective of tuning (0 is right)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(KINDS), frameon=False)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    """The trials of the methods of one panel, the method with the best trial on top."""
    largest = panel["objective"].max()
    limit = largest if largest > 0 else 1.0  # without a usable trial it is NaN
    order = panel.groupby("variant")["objective"].min().sort_values(na_position="last").index
    labels = variant_labels(list(order))
    for place, variant in enumerate(order):
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
            label = kind if place == 0 else None
            heights = np.full(len(group), place)
            axes.plot(group["objective"], heights, linestyle="none", label=label, **KINDS[kind])
        failed = len(rows) - len(usable)
        if failed:
            axes.text(
                1.02,
                place,
                f"{failed} of {len(rows)} unusable",
                transform=axes.get_yaxis_transform(),
                fontsize=6,
                color="0.4",
                va="center",
            )
    axes.set_yticks(range(len(order)), [labels[name] for name in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(-0.03 * limit, 1.08 * limit)
