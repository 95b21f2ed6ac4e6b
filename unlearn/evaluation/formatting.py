"""Means and intervals as readers see them."""

import math
from collections.abc import Mapping

from unlearn.metrics.catalogue import METRICS

ZERO_WIDTH_SHARE = 1e-9
"""Half of an interval, as a share of the mean, that rounding leaves of equal numbers."""


def row_text(row: Mapping, space: str = " ") -> str:
    """A row of a table as `mean ± half of its interval`, percentages in percent.

    The numbers of failed, diverged and refused models come behind it, or stand alone.
    """
    counts = {flag: row.get(flag, 0) for flag in ("failed", "diverged", "refused")}
    notes = ", ".join(f"{count} {flag}" for flag, count in counts.items() if count)
    if row["n"] == 0:
        return notes
    metric = METRICS[row["metric"]]
    half_width = (row["ci_high"] - row["ci_low"]) / 2 * metric.scale
    decimals = 1 if metric.is_percentage else None
    text = interval_text(row["mean"] * metric.scale, half_width, decimals, space)
    return text + (f" ({notes})" if notes else "")


def interval_text(mean: float, half_width: float, decimals: int | None, space: str = " ") -> str:
    """`mean ± half_width` with the same number of decimals.

    Args:
        mean: the mean.
        half_width: half of its interval; NaN where there is none.
        decimals: the number of decimals; None for three digits of the mean.
        space: the text on both sides of `±`.

    Returns:
        The text. A value that all seeds share has no interval; a count then has all its digits.
    """
    if not mean:
        has_no_width = not half_width or math.isnan(half_width)
        return "0" if has_no_width else f"0{space}±{space}{half_width:.3g}"
    if decimals is None and abs(half_width) < ZERO_WIDTH_SHARE * abs(mean):
        half_width = math.nan
        if mean == round(mean):
            return f"{mean:,.0f}"
    magnitude = math.floor(math.log10(abs(mean)))
    power = magnitude if not -3 <= magnitude <= 5 else 0
    if decimals is None:
        decimals = max(0, 2 - magnitude + power)
    values = [value / 10**power for value in (mean, half_width) if not math.isnan(value)]
    text = f"{space}±{space}".join(f"{value:,.{decimals}f}" for value in values)
    return f"({text})e{power}" if power else text


def rank_text(row: Mapping) -> str:
    """The rank of a row with its interval and group: `1 (1 to 2) a`; empty without one."""
    if row["rank"] is None or math.isnan(row["rank"]):
        return ""
    return f"{row['rank']:g} ({row['rank_low']:g} to {row['rank_high']:g}) {row['rank_group']}"
