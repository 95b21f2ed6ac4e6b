"""The legend above the panels of a figure."""

import itertools
import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

LEGEND_ROWS = 2
"""Rows of a legend that a figure has room for."""

MAX_LEGEND_ENTRIES = 48
"""Lines that a legend names; more are counted."""

LEGEND_ROW_INCHES = 0.17
"""Height that each further row adds to a figure."""


def legend(figure: Figure, axes: np.ndarray) -> None:
    """One legend above all panels, with as many columns as the figure has room for."""
    entries = {}
    for axis in axes.flat:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if entries:
        excess = len(entries) - MAX_LEGEND_ENTRIES
        if excess > 0:
            entries = dict(itertools.islice(entries.items(), MAX_LEGEND_ENTRIES))
            entries[f"and {excess:,} more"] = Line2D([], [], linestyle="none")
        max_letters = max(map(len, entries))
        max_columns = int(figure.get_figwidth() / (0.55 + 0.065 * max_letters))
        columns = max(1, min(max_columns, len(entries)))
        further_rows = max(0, math.ceil(len(entries) / columns) - LEGEND_ROWS)
        figure.set_figheight(figure.get_figheight() + further_rows * LEGEND_ROW_INCHES)
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside upper center",
            ncols=columns,
            frameon=False,
        )
