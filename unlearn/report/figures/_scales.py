"""The scales of axes: logarithmic ones on which 0 and negative numbers keep a place."""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.scale import SymmetricalLogScale

MIN_LINEAR_DECADES = 0.3
"""Least length of the linear part of a logarithmic axis, from 0 to its first power of ten."""

LINEAR_SHARE = 0.1
"""Length of that part, as a share of the decades above it."""

MAX_LABELLED_DECADES = 6
"""Powers of ten on one side of 0 that have labels."""

ZERO_NOTE = "a logarithmic axis with a 0 is linear between 0 and the power of ten next to it"


def set_scale(axes: Axes, name: Literal["x", "y"], scale: str, values: Iterable[float]) -> None:
    """Set the scale of an axis so that every value has a place on it.

    A logarithmic axis with a value of 0 or less is linear around 0. Where no value but 0 is left
    it is linear as a whole.

    Args:
        axes: the axes.
        name: which of the two axes.
        scale: `linear` or `log`.
        values: the values that the axis shows, in its units; those not finite do not count.
    """
    set_axis_scale = axes.set_xscale if name == "x" else axes.set_yscale
    finite_values = [float(value) for value in values if math.isfinite(value)]
    sizes = [abs(value) for value in finite_values if value]
    if scale != "log" or (finite_values and not sizes):
        set_axis_scale("linear")
    elif all(value > 0 for value in finite_values):
        set_axis_scale("log")
    else:
        axis = axes.xaxis if name == "x" else axes.yaxis
        set_axis_scale(_scale_around_zero(axis, min(sizes), max(sizes)))
        axes.autoscale_view(scalex=name == "x", scaley=name == "y")  # margins are of this scale
        limits = axes.get_xlim() if name == "x" else axes.get_ylim()  # intervals included
        axis.set_ticks(_ticks_around_zero(limits, min(sizes)))


def has_zero(axes: Axes) -> bool:
    """Whether one of the axes is logarithmic on both sides of a linear part."""
    return "symlog" in (axes.get_xscale(), axes.get_yscale())


def _lowest_tick(smallest: float) -> float:
    """The power of ten at or below a positive number."""
    return 10.0 ** math.floor(math.log10(smallest))


def _decades(smallest: float, largest: float) -> float:
    """The decades from the lowest tick to a number, at least one."""
    return max(1.0, math.log10(largest / _lowest_tick(smallest)))


def _scale_around_zero(axis: Axis, smallest: float, largest: float) -> SymmetricalLogScale:
    """A scale that is linear from 0 to the decade of the smallest number."""
    linear_decades = max(MIN_LINEAR_DECADES, LINEAR_SHARE * _decades(smallest, largest))
    return SymmetricalLogScale(axis, linthresh=_lowest_tick(smallest), linscale=linear_decades)


def _ticks_around_zero(limits: tuple[float, float], smallest: float) -> list[float]:
    """0, and the powers of ten on both sides of it that are within the limits of the axis."""
    low, high = min(limits), max(limits)
    decades = _decades(smallest, max(-low, high))
    spacing = math.ceil(decades / MAX_LABELLED_DECADES)
    powers = _lowest_tick(smallest) * 10.0 ** np.arange(0, math.ceil(decades) + 1, spacing)
    lowest_ticks = [-power for power in powers[::-1] if -power >= low]
    return [*lowest_ticks, 0.0, *(power for power in powers if power <= high)]
