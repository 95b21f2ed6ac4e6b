"""Rule `train`: train the fleet of one model with one trainer."""

import argparse
import json
from pathlib import Path

from scripts import command, fleets
from unlearn.data.dataset import load
from unlearn.jobs.description import FleetJob
from unlearn.jobs.train import train_fleet


def main(arguments: argparse.Namespace) -> None:
    """Train, or record why that failed."""
    dataset = load(Path(arguments.dataset).parent)
    job = FleetJob.read(json.loads(arguments.job))
    label = f"train {job.model['kind']} on {dataset.description['name']}: "
    identity = job.identity(dataset.fingerprint)
    fleets.write(arguments, job, identity, lambda store: train_fleet(dataset, job, label, store))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_job("model, recipe, trainer, members, ...")
    fleets.add_outputs(parser)
    parser.add_output("constituents", "their logits, safetensors")
    command.run(main, parser)
