"""Rule `data`: one data set as arrays."""

import json
from pathlib import Path

from scripts import command
from unlearn.data import dataset
from unlearn.data.download import DataError


def main(arguments):
    """Build the data set and write its arrays beside `--output`."""
    block = json.loads(arguments.dataset)
    try:
        built = dataset.build(block["kind"], Path(arguments.folder), **block["parameters"])
    except DataError as error:
        raise command.CommandError(f"{block['kind']}: {error}") from error
    dataset.save(built, Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="JSON: kind, parameters")
    parser.add_argument("--folder", required=True, help="raw data in torchvision's layout")
    parser.add_argument("--output", required=True, help="dataset.json")
    command.run(main, parser)
