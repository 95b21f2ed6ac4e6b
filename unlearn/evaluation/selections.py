"""The rows and columns of a matrix: labels, each with the values that select rows of a table."""

from collections.abc import Mapping
from typing import Any

from unlearn.evaluation import placement

SIDES = ("rows", "columns")
"""The keys of a figure block that hold labels of a matrix."""

ABSENT = "none"
"""What a table has for a parameter that is null in the study."""


def selections(figure: Mapping, side: str) -> dict[str, dict[str, Any]]:
    """Label -> the value of each column that its cells have; `side` is one of SIDES."""
    return {
        entry[placement.LABEL]: {c: v for c, v in entry.items() if c != placement.LABEL}
        for entry in figure[side]
    }


def is_selected(record: Mapping, selection: Mapping[str, Any]) -> bool:
    """Whether a row of a table has the values of a selection, by column.

    None selects rows that have no value, or a parameter that is null.
    """
    return all(_is_equal(placement.column_value(record, c), v) for c, v in selection.items())


def _is_equal(value: Any, expected: Any) -> bool:
    if expected is None:
        return value is None or value == ABSENT
    return isinstance(value, bool) == isinstance(expected, bool) and bool(value == expected)
