"""Rule `train`: train the fleet of one model with one trainer."""

import json
from pathlib import Path

from scripts import command, fleets
from unlearn import dataset, jobs


def main(arguments):
    """Train, or record why that failed."""
    data = dataset.load(Path(arguments.dataset).parent)
    job = json.loads(arguments.job)
    identity = jobs.identity(data, job)
    label = f"train {job['model']['kind']} on {data.description['name']}: "
    fleets.write(arguments, job, identity, lambda store: jobs.train(data, job, label, store))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--job", required=True, help="JSON: model, recipe, trainer, seeds, ...")
    fleets.add_outputs(parser)
    parser.add_argument("--constituents", required=True, help="output: their logits, safetensors")
    command.run(main, parser)
