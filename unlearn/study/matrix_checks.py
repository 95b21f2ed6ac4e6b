"""What a schema cannot say of a matrix: labels without cells, and cells of several values.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

from collections.abc import Mapping
from typing import Any

from unlearn.core import registry
from unlearn.evaluation.placement import LABEL
from unlearn.evaluation.selections import SIDES, is_selected, selections
from unlearn.metrics.catalogue import METRICS
from unlearn.study import messages
from unlearn.study.grid import Cell
from unlearn.study.messages import InvalidError


def check_keys(block: Mapping, columns: set[str]) -> None:
    """Check that the labels name columns of the table, and that no other kind of figure has any.

    Args:
        block: the figure block, with its defaults.
        columns: the columns of the table.
    """
    if not registry.find("figures", block["kind"]).has_selections:
        for key in SIDES:
            if block[key]:
                raise InvalidError(key, f"{block['kind']} has no {key}; allowed: kind matrix")
        return
    for key in ("x", "facet"):
        if block[key] is not None:
            raise InvalidError(key, f"{block[key]}: {block['kind']} has no {key}; allowed: null")
    for key in SIDES:
        if not block[key]:
            example = "{label: text, column: value}"
            raise InvalidError(key, f"a matrix needs some; allowed: a list of {example}")
        labels = [entry[LABEL] for entry in block[key]]
        if len(set(labels)) < len(labels):
            raise InvalidError(key, "two have the same label; allowed: different ones")
        for label, selection in selections(block, key).items():
            for column in selection:
                if column not in columns:
                    reason = messages.unknown("column", column, columns)
                    raise InvalidError(f"{key}.{label}", reason)
    check_one_metric(block, "a matrix shows")


def check_one_metric(block: Mapping, who: str) -> None:
    """Check that y is one metric on one split; `who` begins what the message says of it."""
    metric = block["y"][0]
    pair = block["pairs"].get(metric)
    splits = [pair] if pair else block["split"] or METRICS[metric].splits
    if len(block["y"]) > 1 or len(splits) > 1:
        choice = (
            ", ".join(block["y"]) if len(block["y"]) > 1 else f"{metric} on {', '.join(splits)}"
        )
        raise InvalidError("y", f"{choice}: {who} one metric on one split")


def check_cells(block: Mapping, rows: Mapping[Cell, Mapping[str, Any]]) -> None:
    """Check that every label has a cell of the experiment, and a cell of the matrix one value.

    Args:
        block: the figure block, with its defaults.
        rows: the columns of every cell of the experiment that the figure draws.
    """
    for key in SIDES:
        for label, selection in selections(block, key).items():
            if not any(is_selected(row, selection) for row in rows.values()):
                raise InvalidError(f"{key}.{label}", f"{dict(selection)} selects nothing")
    for label, row in selections(block, "rows").items():
        for name, column in selections(block, "columns").items():
            matches = {
                "/".join(cell._replace(fleet="")).rstrip("/"): None
                for cell, values in rows.items()
                if is_selected(values, row) and is_selected(values, column)
            }
            if len(matches) > 1:
                first, second, *_ = matches
                raise InvalidError(
                    f"rows.{label}",
                    f"{first} and {second} would share the cell of {name}; name more columns, or "
                    "`methods`",
                )
