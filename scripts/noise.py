"""Rule `noise`: noise for the training images of a data set."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.data.dataset import load
from unlearn.jobs.description import NoiseJob
from unlearn.jobs.perturb import make_noise
from unlearn.storage.files import digest, write_array, write_costs, write_json


def main(arguments: argparse.Namespace) -> None:
    """Make the noise; write it, then its record."""
    dataset = load(Path(arguments.dataset).parent)
    job = NoiseJob.read(json.loads(arguments.job))
    label = f"{job.noise['kind']} noise on {dataset.description['name']}: "
    try:
        noise, record, costs = make_noise(dataset, job, label)
    except ValueError as error:
        raise command.CommandError(f"noise: {error}") from error
    if not record["converged"]:
        print(
            f"{label}NOT CONVERGED in {record['rounds']} rounds: {record['error']:.1%} mistakes "
            "are left; the noise is kept"
        )
    if record.get("weak"):
        print(
            f"{label}WEAK: new models of the noisy images mistake {record['probe_error']:.1%} of "
            f"clean ones, those of clean images {record['probe_clean_error']:.1%}"
        )
    write_array(arguments.values, noise)
    record |= {"dataset": dataset.fingerprint, "sha256": digest(noise)}
    write_json(arguments.output, record)
    write_costs(arguments.costs, costs)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_job("noise, device, precision")
    parser.add_output("values", "int8, one entry a training point")
    parser.add_output("output", "how it was made, json")
    parser.add_output("costs", "what that took, json", is_recorded=False)
    command.run(main, parser)
