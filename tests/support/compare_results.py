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


def differences(old: Path, new: Path, rename: Rename) -> Iterator[str]:
    """A line for every artefact that is missing or different."""
    patterns = ("scores/**/scores.csv", "**/*.safetensors", "**/logits.npy", "**/votes.npy")
    patterns += ("data/**/*.npy", "noise/**/*.npy")
    for pattern in patterns:
        for path in sorted(old.glob(pattern)):
            place = path.relative_to(old).as_posix()
            other = new / rename(place)
            if not other.exists():
                yield f"missing: {rename(place)}"
            elif not same(path, other, rename):
                yield f"differs: {rename(place)}"


def same(path: Path, other: Path, rename: Rename) -> bool:
    """Whether two artefacts hold the same."""
    if path.suffix == ".csv":
        return scores(path, rename) == scores(other, lambda text: text)
    if path.suffix == ".npy":
        return path.read_bytes() == other.read_bytes()
    first, second = load_file(path), load_file(other)
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype
        and np.array_equal(first[name].view(np.uint8), second[name].view(np.uint8))
        for name in first
    )


def main() -> int:
    """Print the differences and how much was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rename", nargs="*", default=[], metavar="REGEX=>TEXT")
    arguments = parser.parse_args()
    found = list(differences(arguments.old, arguments.new, renaming(arguments.rename)))
    print("\n".join(found))
    count = sum(1 for _ in arguments.old.glob("scores/**/scores.csv"))
    print(f"{count} cells compared, {len(found)} differences")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
