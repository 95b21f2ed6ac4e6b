"""That every point of a figure has one value; what a study may write instead where it has several.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from unlearn.evaluation import placement
from unlearn.study.column_checks import check_columns
from unlearn.study.grid import Cell
from unlearn.study.messages import InvalidError

AXES = ("colour", "x", "facet")
"""The keys of a figure block that tell cells apart."""

NAME_COLUMNS = ("sampler", "request", "method", "variant", "dataset", "model")
"""The columns that tell cells apart where no parameter does."""

MAX_CHANGES = 3
"""Changes of a figure block that a message offers."""

DERIVED_COLUMNS = {"method.oracle", "method.guarantee", "method.reads", placement.ROLE}
"""Columns of variants that follow from their parameters."""


def check_points(block: Mapping, rows: Mapping[Cell, Mapping], columns: set[str]) -> None:
    """Check that each point of a line has one value, and that its cells all have an x or none.

    Args:
        block: the figure block.
        rows: the columns of every cell.
        columns: the columns that axes, colours and panels can show.

    Raises:
        InvalidError: if two cells share a point; the message says what tells them apart.
    """
    lines = {cell: _line(cell, row, block) for cell, row in rows.items()}
    shared_points = _shared_points(block, rows, lines)
    if shared_points:
        reason = _shared_point_message(block, rows, shared_points, columns)
        raise InvalidError("", reason)
    cell = _cell_of_another_kind(block, rows, lines)
    if cell is not None:
        name = placement.line_name(rows[cell], block)
        raise InvalidError("x", f"only some cells of the line {name} have a {block['x']}")


def _line(cell: Cell, row: Mapping, block: Mapping) -> tuple:
    """What the points of one line in one panel share."""
    fields = [field for field in placement.panel_fields(block) if field in Cell._fields]
    fields += [block["facet"]] if block["facet"] else []
    panel = [placement.column_value(row, field) for field in fields]
    return (cell.fleet, placement.line_name(row, block), *panel)


def _shared_points(
    block: Mapping, rows: Mapping[Cell, Mapping], lines: Mapping[Cell, tuple]
) -> list[list[Cell]]:
    """The cells of every point that several cells share."""
    cells_by_point: dict[tuple, list[Cell]] = {}
    for cell, line in lines.items():
        x = placement.column_value(rows[cell], block["x"])
        cells_by_point.setdefault((*line, x), []).append(cell)
    return [cells for cells in cells_by_point.values() if len(cells) > 1]


def _cell_of_another_kind(
    block: Mapping, rows: Mapping[Cell, Mapping], lines: Mapping[Cell, tuple]
) -> Cell | None:
    """The first cell that has an x where another cell of its line has none, or the reverse."""
    lines_without_x: dict[tuple, bool] = {}
    for cell, line in lines.items():
        has_no_x = placement.column_value(rows[cell], block["x"]) is None
        if lines_without_x.setdefault(line, has_no_x) != has_no_x:
            return cell
    return None


def _shared_point_message(
    block: Mapping,
    rows: Mapping[Cell, Mapping],
    shared_points: Sequence[Sequence[Cell]],
    columns: set[str],
) -> str:
    """How two cells of one point differ, and what to do about it."""
    pairs = zip(*shared_points[0][:2], strict=True)
    differences = ", ".join(f"{first} and {second}" for first, second in pairs if first != second)
    points = [[rows[cell] for cell in cells] for cells in shared_points]
    candidates = sorted(c for c in columns if "." in c and c not in DERIVED_COLUMNS)
    parameters = [column for column in candidates if _tells_apart(column, points)]
    names = [column for column in NAME_COLUMNS if _tells_apart(column, points)]
    changes = itertools.islice(
        (c for c in _changes(parameters, names) if _is_allowed(block | c, rows, columns)),
        MAX_CHANGES,
    )
    texts = [" with ".join(f"{key}: {value}" for key, value in c.items()) for c in changes]
    cure = f"allowed: {' or '.join(texts)}" if texts else "tell them apart by x, colour or facet"
    reason = f", for cells differ in {', '.join(parameters or names)}" if texts else ""
    return f"{differences} would share one point{reason}; {cure}"


def _tells_apart(column: str, points: Sequence[Sequence[Mapping]]) -> bool:
    """Whether cells of one point differ in a column that all of them have."""
    for cell_rows in points:
        values = [placement.column_value(row, column) for row in cell_rows]
        if None not in values and len(set(map(repr, values))) > 1:
            return True
    return False


def _changes(parameters: Sequence[str], names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Changes of a figure block that may tell cells apart by parameters, or by their names.

    They are of one key, or of colour and facet.
    """
    yield from ({key: column} for column in parameters for key in AXES)
    pairs = itertools.combinations(parameters, 2)
    yield from ({"colour": colour, "facet": facet} for colour, facet in pairs)
    yield from ({key: column} for column in names for key in AXES)


def _is_allowed(block: Mapping, rows: Mapping[Cell, Mapping], columns: set[str]) -> bool:
    """Whether a figure block has columns that its kind allows, and a value for each point."""
    try:
        check_columns(block, columns)
    except InvalidError:
        return False
    lines = {cell: _line(cell, row, block) for cell, row in rows.items()}
    return not _shared_points(block, rows, lines) and not _cell_of_another_kind(block, rows, lines)
