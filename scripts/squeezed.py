"""Rule `squeezed`: a data set whose training images are squeezed."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.core import registry
from unlearn.data.dataset import load, save
from unlearn.data.squeezed_images import with_squeezed_images


def main(arguments: argparse.Namespace) -> None:
    """Squeeze the training images and write the data set beside `--output`."""
    dataset = load(Path(arguments.dataset).parent)
    block = json.loads(arguments.squeeze)
    try:
        squeezed = with_squeezed_images(dataset, block["kind"], registry.create("squeezes", block))
    except ValueError as error:
        raise command.CommandError(f"{block['kind']}: {error}") from error
    save(squeezed, Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the images")
    parser.add_parameter("squeeze", help="JSON: kind, parameters")
    parser.add_output("output", "dataset.json")
    parser.add_output("arrays", "its arrays, npy", nargs="+")
    command.run(main, parser)
