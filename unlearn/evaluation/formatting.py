"""Means and intervals as readers see them."""

import math
from collections.abc import Mapping

from unlearn.evaluation import placement

SAME = 1e-9
"""Half of an interval, as a share of the mean, that rounding leaves of equal numbers."""


def shown(row: Mapping, space: str = " ") -> str:
    """A row of a table as `mean ± half of its interval`, percentages in percent.

    Failed and diverged seeds are counted behind it; without a value there is nothing else.
    """
    percent = row["metric"] in placement.PERCENT
    notes = ", ".join(f"{row[f]} {f}" for f in ("failed", "diverged") if row[f])
    if row["n"] == 0:
        return notes
    scale = 100 if percent else 1
    half = (row["ci_high"] - row["ci_low"]) / 2 * scale
    text = with_half(row["mean"] * scale, half, 1 if percent else None, space)
    return text + (f" ({notes})" if notes else "")


def with_half(mean: float, half: float, decimals: int | None, space: str = " ") -> str:
    """`mean ± half` with as many decimals; three digits of the mean where `decimals` is None.

    What is the same for all seeds has no interval; a count then has all its digits.
    """
    if not mean:
        return "0" if not half or math.isnan(half) else f"0{space}±{space}{half:.3g}"
    if decimals is None and abs(half) < SAME * abs(mean):
        half = math.nan
        if mean == round(mean):
            return f"{mean:,.0f}"
    size = math.floor(math.log10(abs(mean)))
    power = size if not -3 <= size <= 5 else 0
    decimals = max(0, 2 - size + power) if decimals is None else decimals
    values = [v / 10**power for v in (mean, half) if not math.isnan(v)]
    text = f"{space}±{space}".join(f"{v:,.{decimals}f}" for v in values)
    return f"({text})e{power}" if power else text
