"""Numbers of others in a figure: values of a matrix, curves beside lines.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

from collections.abc import Iterable, Mapping

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.evaluation.selections import SIDES, selections
from unlearn.study import messages
from unlearn.study.matrix_checks import check_one_metric
from unlearn.study.messages import InvalidError


def check_published(block: Mapping, rows: Iterable[Mapping]) -> None:
    """Check that the kind of figure has a place for all published numbers.

    Args:
        block: the figure block, with its defaults.
        rows: the columns of the cells that the figure draws.
    """
    if not block["published"]:
        return
    forms = {
        name: registry.find("figures", name).published_form for name in registry.names("figures")
    }
    form = forms[block["kind"]]
    if form is None:
        kinds = ", ".join(name for name in forms if forms[name])
        raise InvalidError("published", f"{block['kind']} has no published; allowed: kind {kinds}")
    for key in ("values", "curves"):
        if (key in block["published"]) != (key == form):
            raise InvalidError("published", f"of kind {block['kind']} it has source and {form}")
    if form == "values":
        _check_values(block)
    else:
        _check_curves(block, rows)


def _check_values(block: Mapping) -> None:
    """Check that values belong to cells."""
    rows, columns = (selections(block, side) for side in SIDES)
    for label, values in block["published"]["values"].items():
        path = f"published.values.{label}"
        if label not in rows:
            raise InvalidError("published.values", messages.unknown("row", label, rows))
        for name in values:
            if name not in columns:
                raise InvalidError(path, messages.unknown("column", name, columns))


def _check_curves(block: Mapping, rows: Iterable[Mapping]) -> None:
    """Check that curves have axes of numbers."""
    check_one_metric(block, "published curves stand beside")
    for row in rows:
        x = placement.column_value(row, block["x"])
        if isinstance(x, str):
            raise InvalidError(
                "published.curves", f"{block['x']} {x} is no number; allowed: an x of numbers"
            )
