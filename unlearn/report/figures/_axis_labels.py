"""Labels of axes in as many lines as they need: none touches another or leaves the figure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from unlearn.report.figures import _labels

GAP_INCHES = 0.08
"""Least room between two labels, and between a label and the edge of the figure."""


def wrap(figure: Figure, axes: np.ndarray) -> None:
    """Break the labels of a grid of axes into lines; call it when all else is drawn.

    The label of an x axis may be wider than its panel where the room beside the panel is free. The
    label of a y axis is as high as its panel at most.
    """
    figure.draw_without_rendering()
    for row in axes:
        visible_axes = [axis for axis in row if axis.get_visible()]
        for axis in visible_axes:
            x_label = axis.xaxis.label
            y_label = axis.yaxis.label
            x_room = _room(axis, [other for other in visible_axes if other is not axis], figure)
            _wrap(x_label, x_label.get_window_extent().width, x_room)
            _wrap(y_label, y_label.get_window_extent().height, axis.bbox.height)


def _room(axis: Axes, neighbours: list[Axes], figure: Figure) -> float:
    """The pixels that the label below a panel can have: it is centred, and so are the others."""
    center = _center(axis)
    widths = [2 * center, 2 * (figure.bbox.width - center)]
    widths += [abs(_center(neighbour) - center) for neighbour in neighbours]
    return min(widths) - GAP_INCHES * figure.dpi


def _center(axis: Axes) -> float:
    """The middle of a panel, in pixels from the left."""
    return (axis.bbox.x0 + axis.bbox.x1) / 2


def _wrap(label: Text, size: float, room: float) -> None:
    """Break a label of so many pixels so that it has room; no word is cut."""
    text = label.get_text()
    if not text or size <= room:
        return
    longest_line = max(map(len, text.split("\n")))
    longest_word = max(map(len, text.split()))
    label.set_text(_labels.wrapped(text, max(int(longest_line * room / size), longest_word)))
