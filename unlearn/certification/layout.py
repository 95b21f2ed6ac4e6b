"""Where the artefacts of a cell lie in the results of a study, as `rules/common.smk` has it."""

from pathlib import Path

from unlearn.study.grid import Cell

FOLDER = "certificates"

FAMILIES = (FOLDER, "scores", "unlearned")
"""The folders below the results that have a folder for each cell."""


def cell_folder(results: Path, family: str, cell: Cell) -> Path:
    """The folder of a cell: `results/<family>/<dataset>/<model>/<variant>/<request>/<fleet>`."""
    return Path(results).joinpath(family, *cell)


def cell_of(path: Path) -> tuple[Path, Cell]:
    """The folder of the results and the cell that a folder, or a file in it, belongs to.

    Raises:
        ValueError: the path lies in no folder of a cell.
    """
    resolved = Path(path).resolve()
    folder = resolved if resolved.is_dir() else resolved.parent
    names = folder.parts[-len(Cell._fields) :]
    root = folder.parents[len(names) - 1] if len(names) == len(Cell._fields) else folder
    if root.name not in FAMILIES:
        raise ValueError(
            f"{path}: is no cell; allowed: the folder of a cell below {', '.join(FAMILIES)} of the "
            f"results, as RESULTS/unlearned/{'/'.join(field.upper() for field in Cell._fields)}"
        )
    return root.parent, Cell(*names)
