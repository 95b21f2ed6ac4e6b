"""The numbers on axes: short, plain where they can be, and never on top of each other."""

import math
import re
from collections.abc import Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    LogFormatterSciNotation,
    NullFormatter,
    StrMethodFormatter,
)

MIN_WITH_SEPARATORS = 10_000
"""Axes that reach this value separate thousands: 60,000."""

MIN_WITH_LETTERS = 2_000_000
"""Axes that reach this value write letters: 60M."""

MIN_WITH_LETTER = 1_000_000
"""Plain numbers that reach this value have a letter: 1.2M."""

POWER_LETTERS = ("", "k", "M", "G", "T", "P", "E")
"""The letters of the powers of 1,000."""

MAX_WITH_LETTER = 1e21
"""Numbers that reach this value have no letter."""

LETTER_POINTS = 4.6
"""Width of a digit of a tick label."""

GAP_POINTS = 5
"""Least gap between two tick labels."""

FACTOR_ORDER = (2, 5, 3)
"""The multiples of powers of ten whose labels are kept first where there is no room for all."""


class LogNumbers(LogFormatterSciNotation):
    """Ticks of a logarithmic axis: plain numbers where all are short, else powers of ten.

    Where two powers of ten have a label, their multiples have none. On an x axis no label of a
    multiple touches another label.
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        low, high = sorted(self.axis.get_view_interval())
        if text and low >= 5e-4 and high < 1e6:
            return f"{x:,g}"
        is_multiple = x > 0 and not float(np.log10(x)).is_integer()
        powers = np.floor(np.log10(high)) - np.ceil(np.log10(low)) + 1 if low > 0 else 0
        return "" if is_multiple and powers >= 2 else text

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks of one kind; those of minor ticks without room are empty."""
        labels = super().format_ticks(values)
        is_minor = self.axis.minor.formatter is self
        if self.axis.axis_name != "x" or self.axis.get_scale() != "log" or not is_minor:
            return labels
        major_ticks = self.axis.get_majorticklocs()
        major_labels = self.axis.major.formatter.format_ticks(major_ticks)
        spans = [
            span
            for tick, label in zip(major_ticks, major_labels, strict=True)
            if (span := self._label_span(tick, label)) is not None
        ]
        for position in sorted(range(len(values)), key=lambda i: _tick_rank(values[i])):
            span = self._label_span(values[position], labels[position])
            if span is None:
                continue
            if any(low < span[1] and span[0] < high for low, high in spans):
                labels[position] = ""
            else:
                spans.append(span)
        return labels

    def _label_span(self, tick: float, label: str) -> tuple[float, float] | None:
        """The ends of a label, in points from the left; None without a label in the panel."""
        low, high = sorted(self.axis.get_view_interval())
        if not label or not low <= tick <= high:
            return None
        axes = self.axis.axes
        points = axes.bbox.width / axes.figure.dpi * 72
        position = points * np.log(tick / low) / np.log(high / low)
        letters = re.sub(r"\\[a-z]+|[${}^]", "", label)
        half_width = (LETTER_POINTS * len(letters) + GAP_POINTS) / 2
        return position - half_width, position + half_width


def _tick_rank(tick: float) -> tuple[int, float]:
    """The order in which ticks get a label: by their first digit, then from the left."""
    factor = round(tick / 10 ** np.floor(np.log10(tick)))
    rank = FACTOR_ORDER.index(factor) if factor in FACTOR_ORDER else len(FACTOR_ORDER)
    return rank, tick


def format_ticks(axis: Axis) -> None:
    """Make the tick labels of an x or y axis easy to read; call it after the values are drawn."""
    highest_value = max(map(abs, axis.get_view_interval()))
    if axis.get_scale() == "log":
        axis.set_major_formatter(LogNumbers())
        # some minor ticks get a label where there are at most two powers of ten
        axis.set_minor_formatter(LogNumbers(minor_thresholds=(2, 0.4)))
    elif axis.get_scale() == "linear" and highest_value >= MIN_WITH_LETTERS:
        axis.set_major_formatter(EngFormatter(sep=""))
    elif axis.get_scale() == "linear" and highest_value >= MIN_WITH_SEPARATORS:
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def plain_number(value: float) -> str:
    """A number with separators, from a million on with the letter of a power of 1,000: 1.2M."""
    if MIN_WITH_LETTER <= abs(value) < MAX_WITH_LETTER:
        power = int(math.log10(abs(value)) // 3)
        return f"{value / 1000**power:.3g}{POWER_LETTERS[power]}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def set_plain_powers(axis: Axis, points: float) -> None:
    """Label powers of ten with plain numbers, as many as fit in a panel so many points wide.

    An axis with fewer than two powers of ten keeps its ticks, with plain numbers.
    """
    low, high = sorted(axis.get_view_interval())
    exponents = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
    if len(exponents) < 2:
        for set_formatter in (axis.set_major_formatter, axis.set_minor_formatter):
            set_formatter(lambda tick, _: plain_number(tick) if low <= tick <= high else "")
        return
    letters = max(len(_power_label(exponent)) for exponent in exponents)
    decade_points = points / np.log10(high / low)
    spacing = math.ceil((LETTER_POINTS * letters + GAP_POINTS) / decade_points)
    axis.set_major_locator(FixedLocator(10.0 ** exponents[::spacing]))
    axis.set_major_formatter(lambda tick, _: _power_label(np.log10(tick)))
    axis.set_minor_formatter(NullFormatter())


def _power_label(exponent: float) -> str:
    """The label of a power of ten."""
    is_plain = -4 < exponent < len(POWER_LETTERS) * 3
    exponent = round(exponent)
    return plain_number(10.0**exponent) if is_plain else f"1e{exponent}"
