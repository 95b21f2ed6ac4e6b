"""The points of experiments' grids, and the files that belong to them.

A command that reads the files of many cells is told the grids, not the files: the names of ten
thousand files are longer than a command may be.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple


class Cell(NamedTuple):
    """Canonical names of one cell."""

    dataset: str
    model: str
    variant: str
    request: str
    fleet: str


class Grid(NamedTuple):
    """Every model with every variant, request and fleet, less some."""

    models: list[tuple[str, str]]
    """Each with its data set: (data set, model)."""
    variants: list[str]
    requests: list[str]
    fleets: list[str]
    without: list[Cell] = ()
    """Cells that cannot be."""

    def cells(self) -> Iterator[Cell]:
        """The cells, in the order of the grid."""
        absent = {tuple(cell) for cell in self.without}
        for (dataset, model), *names in itertools.product(*self[:4]):
            cell = Cell(dataset, model, *names)
            if cell not in absent:
                yield cell


NO_GRID = Grid([], [], [], [])
"""The grid without cells."""


def union(grids: list[Grid]) -> tuple[Cell, ...]:
    """The cells of several grids, each once."""
    return tuple(dict.fromkeys(cell for grid in grids for cell in grid.cells()))


def covering(grids: list[Grid]) -> list[Grid]:
    """The grids without those that add no cell to what is before them: the union is the same."""
    cover: list[Grid] = []
    covered_cells: set[Cell] = set()
    for grid in grids:
        cells = set(grid.cells())
        if not cells <= covered_cells:
            cover.append(grid)
            covered_cells |= cells
    return cover


def files(listing: Iterable[Mapping], folder: str) -> list[str]:
    """The files in `folder` that a rule's parameters speak of, each once.

    Args:
        listing: Blocks. `grids`: of cells, as lists. `patterns`: paths with the fields of a cell in
            braces, and `{trainer}`, which `trainers` names for each variant.
        folder: The folder of the results.
    """
    paths = [path for block in listing for path in _paths(block)]
    return [os.path.join(folder, path) for path in dict.fromkeys(paths)]


def _paths(block: Mapping) -> Iterator[str]:
    """The paths of one block of a listing."""
    trainers = block.get("trainers", {})
    names_of_cells = [
        cell._asdict() | {"trainer": trainers.get(cell.variant)}
        for cell in union([Grid(*grid) for grid in block["grids"]])
    ]
    for pattern in block["patterns"]:
        for names in names_of_cells:
            yield pattern.format(**names)
