"""Rule `oracle`: train a fleet of a population on what a request keeps."""

import argparse
import json
from pathlib import Path

from scripts import command, fleets
from unlearn.data.dataset import load
from unlearn.jobs.description import FleetJob
from unlearn.jobs.train import retrain_fleet
from unlearn.storage.request import read_request, request_digest


def main(arguments: argparse.Namespace) -> None:
    """Train, or record why that failed."""
    dataset = load(Path(arguments.dataset).parent)
    request = read_request(Path(arguments.request).with_name("request.npz"), dataset.fingerprint)
    job = FleetJob.read(json.loads(arguments.job))
    label = f"oracles {job.model['kind']} on {dataset.description['name']}: "
    identity = job.identity(dataset.fingerprint) | {"request": request_digest(request)}
    fleets.write(
        arguments, job, identity, lambda store: retrain_fleet(dataset, job, request, label, store)
    )


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--request", required=True, help="record.json of the request")
    parser.add_job("model, recipe, trainer, members, ...")
    fleets.add_outputs(parser)
    command.run(main, parser)
