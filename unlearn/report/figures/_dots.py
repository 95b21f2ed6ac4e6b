"""One row a method, by cost; one panel a metric, with dots, intervals and numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearn.evaluation.panels import panels
from unlearn.report.figures import (
    _axis_labels,
    _dots_panel,
    _frontier_rows,
    _labels,
    _notes,
    _style,
)
from unlearn.report.figures._dots_rows import NORMALISED_LIMITS, Block, blocks

ROW_INCHES = 0.19
"""Height of a method."""

HEAD_INCHES = 0.75
"""Height of the title, ticks and axis label of a block."""

NOTE_INCHES = 0.5
"""Height of the notes below a figure, if there are at most NOTE_LINES."""

NOTE_LINES = 4
"""Lines of notes that have room; a figure with more is higher."""

NOTE_LINE_INCHES = 0.11
"""Height of a line of notes."""

LABEL_INCHES = 1.7
"""Width of the names of methods."""

COLUMN_INCHES = 1.85
"""Width of a panel with its numbers."""

LABEL_LETTERS = 34
"""Letters in a line of a method's name."""

TITLE_LETTERS = 26
"""Letters in a line of a panel's title."""

SYMBOL_POINTS = 12
"""Room between the name of a method and its panel, for the symbol of its guarantee."""


def draw(table: pd.DataFrame, spec: Mapping) -> Figure:
    """Draw a table of `unlearn.evaluation.tables`; `spec` is the figure block of an experiment.

    There is a panel for each metric on a split, and a block of panels for each data set, model and
    value of `facet`. The rows of a block are its methods, sorted by the cost on `x`, the last
    column. The metrics in `normalised` are drawn from 0, the oracle, to 1, doing nothing, where the
    table can tell these apart.
    """
    figure_panels = panels(table, spec)
    if not figure_panels:
        return _style.empty_figure(_notes.emptiness_notes(spec))
    figure_blocks = blocks(figure_panels, spec)
    columns = list(dict.fromkeys(key for block in figure_blocks for key in block.columns))
    columns.sort(key=lambda key: spec["y"].index(key[0]))
    all_rows = pd.concat([panel.rows for panel in figure_panels], ignore_index=True)
    styles = _frontier_rows.line_styles(all_rows)
    figure, axes = _grid(figure_blocks, len(columns))
    for block, block_axes in zip(figure_blocks, axes, strict=True):
        for key, axis in zip(columns, block_axes, strict=True):
            if key in block.columns:
                _dots_panel.draw(axis, block.columns[key], block, styles, spec)
                title = _labels.wrapped(block.columns[key].title, TITLE_LETTERS)
                axis.set_title(title, loc="left")
            else:
                axis.set_visible(False)
        _label_rows(block_axes, block)
    _style.footnote(figure, [*_footnotes(figure_blocks), *_notes.notes(all_rows)])
    extra_lines = max(0, figure.get_supxlabel().count("\n") + 1 - NOTE_LINES)
    figure.set_figheight(figure.get_figheight() + NOTE_LINE_INCHES * extra_lines)
    _axis_labels.wrap(figure, axes)
    return figure


def _grid(figure_blocks: Sequence[Block], columns: int) -> tuple[Figure, np.ndarray]:
    """A grid of axes, a row for each block."""
    heights = [ROW_INCHES * _text_rows(block) + HEAD_INCHES for block in figure_blocks]
    size = (LABEL_INCHES + COLUMN_INCHES * columns, sum(heights) + NOTE_INCHES)
    return pyplot.subplots(
        len(figure_blocks),
        columns,
        figsize=size,
        squeeze=False,
        layout="constrained",
        gridspec_kw={"height_ratios": heights},
    )


def _row_labels(block: Block) -> list[str]:
    """The names of the methods of a block."""
    notes = {line: f", {text}" for line, text in block.counts.items()}
    texts = [block.labels[line] + notes.get(line, "") for line in block.lines]
    return [_labels.wrapped(text, LABEL_LETTERS) for text in texts]


def _text_rows(block: Block) -> float:
    """The rows of text that a block is high: all its methods are as high as the highest."""
    lines_per_row = max(1 + label.count("\n") for label in _row_labels(block))
    return len(block.lines) * (1 + 0.6 * (lines_per_row - 1))


def _label_rows(axes: Sequence[Axes], block: Block) -> None:
    """Write the title, the methods and their guarantees at the left of the first panel."""
    visible_axes = [axis for axis in axes if axis.get_visible()]
    first = visible_axes[0]
    for axis in visible_axes:
        axis.set_yticks(range(len(block.lines)), [""] * len(block.lines))
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(len(block.lines) - 0.5, -0.5)
    first.set_yticks(range(len(block.lines)), _row_labels(block))
    first.tick_params(axis="y", pad=SYMBOL_POINTS)
    for row, line in enumerate(block.lines):
        first.annotate(
            _labels.GUARANTEE_SYMBOLS.get(block.guarantees.get(line, ""), ""),
            (0, row),
            xycoords=("axes fraction", "data"),
            xytext=(-SYMBOL_POINTS / 2, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            annotation_clip=False,
        )
    first.annotate(
        "\n".join(_labels.wrapped(line, LABEL_LETTERS) for line in block.title.split("\n")),
        (0, 1),
        xycoords="axes fraction",
        xytext=(-SYMBOL_POINTS, 5),
        textcoords="offset points",
        ha="right",
        va="bottom",
        weight="bold",
    )


def _footnotes(figure_blocks: Sequence[Block]) -> list[str]:
    """What symbols, lines, bands and arrows mean, where the figure has them."""
    levels = {level for block in figure_blocks for level in block.guarantees.values()}
    symbols = [
        f"{symbol} {level}"
        for level, symbol in _labels.GUARANTEE_SYMBOLS.items()
        if level in levels
    ]
    columns = [column for block in figure_blocks for column in block.columns.values()]
    dots = [dot for column in columns for dot in column.dots.values()]
    marks = ["dashed: retrained", "dotted: doing nothing"]
    if any(np.isfinite(dot.floor_low) for dot in dots):
        marks.append("grey band: another retraining (the floor)")
    lines = [f"guarantee: {', '.join(symbols)}"] if symbols else []
    lines.append(", ".join(marks))
    low, high = NORMALISED_LIMITS
    normalised_values = [
        dot.value for column in columns if column.is_normalised for dot in column.dots.values()
    ]
    if any(value < low or value > high for value in normalised_values):
        lines.append("arrow: a value beyond the end of the axis")
    titles = list(dict.fromkeys(column.title for column in columns if column.has_no_floor))
    if titles:
        lines.append(
            "not normalised in every panel, because floor and doing nothing are too near or too "
            f"uncertain: {_notes.listing(titles)}"
        )
    return lines
