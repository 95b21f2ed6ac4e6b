"""Compare the results of two versions of the code on one study, to the bit.

    python -m tests.support.compare_results OLD NEW [--rename 'REGEX=TEXT' ...]

OLD and NEW are results folders of a study, such as `results/every_part`. Scores are compared without
the metrics that are measured with a clock; of fleets the tensors, logits and votes are. A rename
is applied to the paths and to the text of OLD. Exit status 1 if anything differs.
"""

import argparse
import csv
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

CLOCKED = re.compile(r"seconds|peak_memory_bytes")
"""Metrics that differ from run to run."""

Rename = Callable[[str], str]


def renaming(pairs: list[str]) -> Rename:
    """A function that applies `REGEX=TEXT` replacements in turn."""
    rules = [pair.rpartition("=>") for pair in pairs]

    def rename(text: str) -> str:
        for pattern, _, replacement in rules:
            text = re.sub(pattern, replacement, text)
        return text

    return rename


def scores(path: Path, rename: Rename) -> list[str]:
    """The sorted rows of scores.csv, without clocked metrics."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if not CLOCKED.search(row[-3])]
    return sorted(rename(",".join(row)) for row in rows)


def differences(old_results: Path, new_results: Path, rename: Rename) -> Iterator[str]:
    """A line for every artefact that is missing or different."""
    patterns = ("scores/**/scores.csv", "**/*.safetensors", "**/logits.npy", "**/votes.npy")
    patterns += ("data/**/*.npy", "noise/**/*.npy")
    for pattern in patterns:
        for old_path in sorted(old_results.glob(pattern)):
            name = rename(old_path.relative_to(old_results).as_posix())
            new_path = new_results / name
            if not new_path.exists():
                yield f"missing: {name}"
            elif not is_same_artefact(old_path, new_path, rename):
                yield f"differs: {name}"


def is_same_artefact(old_path: Path, new_path: Path, rename: Rename) -> bool:
    """Whether two artefacts hold the same."""
    if old_path.suffix == ".csv":
        return scores(old_path, rename) == scores(new_path, lambda text: text)
    if old_path.suffix == ".npy":
        return old_path.read_bytes() == new_path.read_bytes()
    old_tensors = load_file(old_path)
    new_tensors = load_file(new_path)
    return old_tensors.keys() == new_tensors.keys() and all(
        old_tensors[name].dtype == new_tensors[name].dtype
        and np.array_equal(old_tensors[name].view(np.uint8), new_tensors[name].view(np.uint8))
        for name in old_tensors
    )


def main() -> int:
    """Print the differences and how much was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rename", nargs="*", default=[], metavar="REGEX=>TEXT")
    arguments = parser.parse_args()
    lines = list(differences(arguments.old, arguments.new, renaming(arguments.rename)))
    print("\n".join(lines))
    count = sum(1 for _ in arguments.old.glob("scores/**/scores.csv"))
    print(f"{count} cells compared, {len(lines)} differences")
    return 1 if lines or not count else 0


if __name__ == "__main__":
    sys.exit(main())
