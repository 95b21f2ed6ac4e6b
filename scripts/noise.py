"""Rule `noise`: noise for the training images of a data set."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.data.dataset import load
from unlearn.jobs.description import NoiseJob
from unlearn.jobs.perturb import make_noise
from unlearn.storage.files import digest, write_array, write_json


def main(arguments: argparse.Namespace) -> None:
    """Make the noise; write it, then its record."""
    dataset = load(Path(arguments.dataset).parent)
    job = NoiseJob.read(json.loads(arguments.job))
    label = f"{job.noise['kind']} noise on {dataset.description['name']}: "
    try:
        noise, record = make_noise(dataset, job, label)
    except ValueError as error:
        raise command.CommandError(f"noise: {error}") from error
    if not record["converged"]:
        print(
            f"{label}NOT CONVERGED in {record['rounds']} rounds: {record['error']:.1%} mistakes "
            "are left; the noise is kept"
        )
    write_array(arguments.values, noise)
    record |= {"dataset": dataset.fingerprint, "sha256": digest(noise)}
    write_json(arguments.output, record)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--job", required=True, help="JSON: noise, device, precision")
    parser.add_argument("--values", required=True, help="output: int8, one entry a training point")
    parser.add_argument("--output", required=True, help="output: how it was made, json")
    command.run(main, parser)
