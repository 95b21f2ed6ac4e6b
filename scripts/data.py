"""Rule `data`: one data set as arrays."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.core import registry
from unlearn.data.dataset import build, save
from unlearn.data.download import DataError


def main(arguments: argparse.Namespace) -> None:
    """Build the data set and write its arrays beside `--output`."""
    block = json.loads(arguments.dataset)
    try:
        source = registry.create("data", block)
        dataset = build(source, block["kind"], Path(arguments.folder))
    except (DataError, ValueError) as error:
        prefix = f"{block['kind']}: "
        raise command.CommandError(f"{prefix}{str(error).removeprefix(prefix)}") from error
    save(dataset, Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_parameter("dataset", help="JSON: kind, parameters")
    parser.add_argument("--folder", required=True, help="raw data in torchvision's layout")
    parser.add_output("output", "dataset.json")
    parser.add_output("arrays", "its arrays, npy", nargs="+")
    command.run(main, parser)
