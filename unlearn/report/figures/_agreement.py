"""A heat map of rank correlations between metrics, with numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unlearn.evaluation.metric_agreement import MetricAgreement, Pair, agreements
from unlearn.evaluation.panels import panels
from unlearn.report.figures import _labels, _notes, _style

CELL_INCHES = (1.15, 0.62)
"""Width and height of a pair of metrics."""

LABEL_INCHES = (1.6, 1.0)
"""Width and height of the names of metrics, and of the notes."""

MIN_WIDTH_INCHES = 4.5
"""Least width of a figure: its notes need room."""

LABEL_LETTERS = 20
"""Letters in a line of a metric's name."""

MAX_DARK_TAU = 0.65
"""Cells beyond this have white text."""

COLORS = LinearSegmentedColormap.from_list("agreement", ["#D55E00", "white", "#0072B2"])


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    There is a cell for every two metrics on a split: tau between the orders in which they put the
    methods, its interval, and the share of cells about which they disagree.
    """
    by_pair = agreements(table, spec)
    if not by_pair:
        return _style.empty_figure([*_notes.emptiness_notes(spec), "two metrics are compared"])
    pairs = list(dict.fromkeys(pair for both in by_pair for pair in both))
    size = len(pairs) - 1
    width = max(MIN_WIDTH_INCHES, LABEL_INCHES[0] + CELL_INCHES[0] * size)
    height = LABEL_INCHES[1] + CELL_INCHES[1] * size + 0.3
    figure, axis = pyplot.subplots(figsize=(width, height), layout="constrained")
    _draw_matrix(axis, pairs, by_pair)
    rows = pd.concat([panel.rows for panel in panels(table, spec)], ignore_index=True)
    _style.footnote(figure, [*_footnotes(list(by_pair.values())), *_notes.remarks(rows)])
    return figure


def _draw_matrix(
    axis: Axes, pairs: Sequence[Pair], by_pair: Mapping[tuple[Pair, Pair], MetricAgreement]
) -> None:
    """Draw the cells below the diagonal, and the names of the metrics."""
    size = len(pairs) - 1
    taus = np.full((size, size), np.nan)
    for (first, second), agreement in by_pair.items():
        row = pairs.index(second) - 1
        column = pairs.index(first)
        tau = agreement.correlation.tau
        taus[row, column] = tau
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="0.85"))
        is_dark = abs(tau) > MAX_DARK_TAU
        axis.text(
            column,
            row,
            _cell_text(agreement),
            ha="center",
            va="center",
            size=7,
            color="white" if is_dark else "black",
            linespacing=1.25,
        )
    axis.imshow(np.ma.masked_invalid(taus), cmap=COLORS, vmin=-1, vmax=1, aspect="auto")
    labels = [_metric_lines(*pair) for pair in pairs]
    axis.set_yticks(range(size), labels[1:])
    axis.set_xticks(range(size), labels[:-1])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)


def _metric_lines(metric: str, split: str) -> str:
    """The name of a metric, and of its split below."""
    lines = _labels.metric_label(metric, split).split(", ")
    return ",\n".join(_labels.wrapped(line, LABEL_LETTERS) for line in lines)


def _cell_text(agreement: MetricAgreement) -> str:
    """Tau, its interval, and how often the two metrics disagree."""
    tau, low, high, *_ = agreement.correlation
    lines = [_number(tau) if math.isfinite(tau) else "no ranking"]
    if math.isfinite(low):
        lines.append(f"[{_number(low)}, {_number(high)}]")
    if agreement.cells:
        lines.append(f"{100 * agreement.disagreements / agreement.cells:.0f} % disagree")
    return "\n".join(lines)


def _number(tau: float) -> str:
    """A coefficient with two decimals; none is -0.00."""
    return f"{round(tau, 2) + 0.0:.2f}".replace("-", "\u2212")


def _footnotes(figure_agreements: Sequence[MetricAgreement]) -> list[str]:
    """What the numbers are, and of how many methods and cells."""
    items = [agreement.correlation.items for agreement in figure_agreements]
    groups = max(agreement.correlation.groups for agreement in figure_agreements)
    cells = max(agreement.cells for agreement in figure_agreements)
    settings = "one setting" if groups <= 1 else f"the mean of {groups} settings"
    lines = [
        "number: Kendall's tau between the orders in which two metrics put "
        f"{max(items)} methods, 1 if they are the same, {settings}",
    ]
    if any(math.isfinite(agreement.correlation.low) for agreement in figure_agreements):
        lines.append("brackets: 95 % bootstrap interval over methods")
    if cells:
        lines.append(
            f"disagree: share of at most {cells} cells in which one metric alone puts the method "
            "nearer to the oracle than doing nothing"
        )
    return lines
