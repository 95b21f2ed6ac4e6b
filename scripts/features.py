"""Rule `features`: a data set whose images are replaced by features of them."""

import importlib
import json
from pathlib import Path

from scripts import command
from unlearn.data import dataset
from unlearn.data.features import standardised


def main(arguments):
    """Compute the features and write the data set beside `--output`."""
    data = dataset.load(Path(arguments.dataset).parent)
    names = json.loads(arguments.features)
    modules = [importlib.import_module(f"unlearn.data.features.{name}") for name in names]
    try:
        built = standardised.of(data, modules)
    except standardised.FeaturesError as error:
        raise command.CommandError(f"{'+'.join(names)}: {error}") from error
    dataset.save(built, Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json of the images")
    parser.add_argument("--features", required=True, help="JSON: names of modules")
    parser.add_argument("--output", required=True, help="dataset.json")
    command.run(main, parser)
