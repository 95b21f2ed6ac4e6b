"""Rule `train`: train the fleet of one model with one trainer."""

import json
from pathlib import Path

from scripts import command, fleets
from unlearn.data import dataset
from unlearn.jobs.setup import fleet_identity
from unlearn.jobs.train import train_fleet


def main(arguments):
    """Train, or record why that failed."""
    data = dataset.load(Path(arguments.dataset).parent)
    job = json.loads(arguments.job)
    identity = fleet_identity(data, job)
    label = f"train {job['model']['kind']} on {data.description['name']}: "
    fleets.write(arguments, job, identity, lambda store: train_fleet(data, job, label, store))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--job", required=True, help="JSON: model, recipe, trainer, seeds, ...")
    fleets.add_outputs(parser)
    parser.add_argument("--constituents", required=True, help="output: their logits, safetensors")
    command.run(main, parser)
