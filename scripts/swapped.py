"""Rule `swapped`: a data set in which points of two classes have exchanged their labels."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.data.dataset import load, save
from unlearn.data.label_swap import with_swapped_labels


def main(arguments: argparse.Namespace) -> None:
    """Exchange the labels and write the data set beside `--output`."""
    dataset = load(Path(arguments.dataset).parent)
    swap = json.loads(arguments.swap)
    try:
        swapped = with_swapped_labels(dataset, swap["classes"], swap["amount"], swap["seed"])
    except ValueError as error:
        raise command.CommandError(f"{dataset.description['name']}: {error}") from error
    save(swapped, Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the true labels")
    parser.add_parameter("swap", help="JSON: classes, amount, seed")
    parser.add_output("output", "dataset.json")
    parser.add_output("arrays", "its arrays, npy", nargs="+")
    command.run(main, parser)
