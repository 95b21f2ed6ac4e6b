"""Compare a regenerated table with a published one, or all tables of two folders.

    python -m scripts.verify PUBLISHED REGENERATED

Values that are not measured with a clock must be the same to the digit where both tables were made
in the same arithmetic, as the `provenance.json` beside or above them says. Elsewhere they may
differ by no more than their intervals explain. Numbers of draws, of failed and of diverged models
must be equal everywhere. Tables of trials have no intervals, so they are compared in the same
arithmetic alone. The exit status is 1 if any value differs by more, or only one table has it.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from scripts.command import CommandError
from unlearn.evaluation import tables
from unlearn.evaluation.agreement import agreement, check_table
from unlearn.storage.files import ArtifactError, read_json, read_text

TRIALS_SUFFIX = ".trials.csv"
"""The end of the names of tables of trials, which have no intervals."""


def main(published: Path, regenerated: Path) -> int:
    """Print what agrees and what does not; the number of tables that differ."""
    differing_tables = 0
    for old_path, new_path in _pairs(published, regenerated):
        old_text = read_text(old_path)
        new_text = read_text(new_path)
        if old_text == new_text:
            print(f"{new_path.name}: the same bytes")
            continue
        arithmetic = _arithmetic(old_path)
        is_exact = arithmetic is not None and arithmetic == _arithmetic(new_path)
        if old_path.name.endswith(TRIALS_SUFFIX):
            print(f"{new_path.name}: {'different' if is_exact else 'not compared'}")
            differing_tables += is_exact
            continue
        old_table = _table(old_path, old_text)
        new_table = _table(new_path, new_text)
        result = agreement(old_table, new_table, is_exact=is_exact)
        print(
            f"{new_path.name}: {result.same} values the same, {result.agreeing} within their "
            f"intervals, {result.incomparable} without an interval, "
            f"{len(result.different)} different"
        )
        for line in result.different:
            print(f"  {line}")
        differing_tables += bool(result.different)
    return differing_tables


def _table(path: Path, text: str) -> pd.DataFrame:
    """The table of a file's text; CommandError if it is none."""
    try:
        table = tables.parse(text)
        check_table(table)
    except ValueError as error:
        raise CommandError(f"{path}: is no table: {' '.join(str(error).split())}") from error
    return table


def _arithmetic(table: Path) -> set[tuple[str, str]] | None:
    """Arithmetic and version of torch of the fleets of a table; None where nothing says it."""
    folders = [table.resolve().parent, table.resolve().parent.parent]
    paths = [folder / "provenance.json" for folder in folders]
    path = next(filter(Path.exists, paths), None)
    if path is None:
        return None
    machines = read_json(path)["machines"]
    if not all("arithmetic" in machine for machine in machines):
        return None
    return {(machine["arithmetic"], machine["torch"]) for machine in machines}


def _pairs(published: Path, regenerated: Path) -> Iterator[tuple[Path, Path]]:
    """The tables to compare; CommandError if one has no partner."""
    if published.is_file() and regenerated.is_file():
        yield published, regenerated
        return
    names = sorted(path.name for path in published.glob("*.csv"))
    if not names:
        raise CommandError(f"{published}: is no table and no folder of tables")
    for name in names:
        if not (regenerated / name).is_file():
            raise CommandError(f"{regenerated / name}: there is no such table")
        yield published / name, regenerated / name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("published", type=Path, help="a table, or a folder of tables")
    parser.add_argument("regenerated", type=Path, help="the same, made again")
    arguments = parser.parse_args()
    try:
        sys.exit(bool(main(arguments.published, arguments.regenerated)))
    except (ArtifactError, CommandError) as error:
        sys.exit(f"error: {error}")
