"""Rule `scorers`: train scoring models, keep what they predict for the points of base training."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.data.dataset import load
from unlearn.jobs.description import FleetJob
from unlearn.jobs.score_points import score_points
from unlearn.storage.files import write_costs
from unlearn.storage.scores import write_predictions


def main(arguments: argparse.Namespace) -> None:
    """Train, predict, and write predictions and costs."""
    dataset = load(Path(arguments.dataset).parent)
    job = FleetJob.read(json.loads(arguments.job))
    label = f"score points of {dataset.description['name']} with {job.model['kind']}: "
    try:
        predictions, costs = score_points(dataset, job, label)
    except ValueError as error:
        raise command.CommandError(f"{label}{error}") from error
    write_predictions(arguments.output, predictions, dataset.fingerprint)
    write_costs(arguments.costs, {"models": costs})


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_job("model, recipe, members with subsets, ...")
    parser.add_output("output", "predictions of every model, npz")
    parser.add_output("costs", "what each model took, json", is_recorded=False)
    command.run(main, parser)
