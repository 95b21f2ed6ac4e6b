"""Rule `picture_table`: pixels of some images, their noise, and their sum."""

import argparse
from pathlib import Path

import pandas as pd

from scripts import command
from unlearn.data import dataset
from unlearn.report import noise_gallery
from unlearn.storage.files import write_text


def main(arguments: argparse.Namespace) -> None:
    """Write the pixels of one image of each of the first classes, of every data set."""
    parts = []
    for clean_path, noisy_path in zip(arguments.clean, arguments.noisy, strict=True):
        clean = dataset.load(Path(clean_path).parent)
        noisy = dataset.load(Path(noisy_path).parent)
        part = noise_gallery.pixels(clean, noisy, arguments.classes)
        parts.append(part.assign(dataset=Path(noisy_path).parent.name))
    table = pd.concat(parts)[["dataset", *noise_gallery.COLUMNS]]
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--clean", required=True, nargs="+", help="record.json without noise")
    parser.add_argument("--noisy", required=True, nargs="+", help="record.json with it")
    parser.add_parameter("classes", type=int)
    parser.add_output("output", "pixels, csv")
    command.run(main, parser)
