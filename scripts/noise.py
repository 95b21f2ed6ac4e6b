"""Rule `noise`: noise for the training images of a data set."""

import json
from pathlib import Path

from scripts import command
from unlearn import artifacts, dataset, jobs


def main(arguments):
    """Make the noise; write it, then what is known of it."""
    data = dataset.load(Path(arguments.dataset).parent)
    job = json.loads(arguments.job)
    label = f"{job['noise']['kind']} noise on {data.description['name']}: "
    try:
        values, record = jobs.make_noise(data, job, label)
    except ValueError as error:
        raise command.CommandError(f"noise: {error}") from error
    if not record["converged"]:
        print(
            f"{label}NOT CONVERGED in {record['rounds']} rounds: {record['error']:.1%} mistakes "
            "are left; the noise is kept"
        )
    artifacts.write_array(arguments.values, values)
    record |= {"dataset": data.description["sha256"], "sha256": artifacts.digest(values)}
    artifacts.write_json(arguments.output, record)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--job", required=True, help="JSON: noise, model, recipe, device, ...")
    parser.add_argument("--values", required=True, help="output: int8, one entry a training point")
    parser.add_argument("--output", required=True, help="output: how it was made, json")
    command.run(main, parser)
