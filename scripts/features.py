"""Rule `features`: a data set whose images are replaced by features of them."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.core import registry
from unlearn.data.dataset import load, save
from unlearn.data.features.base import FeaturesError
from unlearn.data.features.standardised import with_features


def main(arguments: argparse.Namespace) -> None:
    """Compute the features and write the data set beside `--output`."""
    dataset = load(Path(arguments.dataset).parent)
    blocks = json.loads(arguments.features)
    kinds = [registry.create("features", block) for block in blocks]
    try:
        featured = with_features(dataset, kinds)
    except FeaturesError as error:
        raise command.CommandError(
            f"{'+'.join(block['kind'] for block in blocks)}: {error}"
        ) from error
    save(featured, Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the images")
    parser.add_parameter("features", help="JSON: kind and parameters of each")
    parser.add_output("output", "dataset.json")
    parser.add_output("arrays", "its arrays, npy", nargs="+")
    command.run(main, parser)
