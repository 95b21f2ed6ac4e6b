"""Rule `unlearn`: serve one request from a trained fleet with one method."""

import json
from pathlib import Path

from scripts import command, fleets
from unlearn import artifacts, dataset, jobs


def main(arguments):
    """Unlearn, or record why that failed."""
    data = dataset.load(Path(arguments.dataset).parent)
    job = json.loads(arguments.job)
    request = artifacts.read_request(arguments.request, data.description["sha256"])
    identity = jobs.identity(data, job)
    weights = Path(arguments.trained).with_name("trained.safetensors")
    trained = artifacts.Fleet(weights, identity)
    said = artifacts.Fleet(weights.with_name("constituents.safetensors"), identity)
    label = f"{job['method']['kind']} {job['model']['kind']} on {data.description['name']}: "

    def serve(store: jobs.Store) -> jobs.Result:
        if not len(trained):
            raise command.CommandError("there is no trained model, its training failed")
        return jobs.unlearn(data, job, trained, request, label, store, said[0] if said else {})

    served = identity | {"request": artifacts.request_digest(request)}
    fleets.write(arguments, job, served, serve)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--trained", required=True, help="costs.json of the trained fleet")
    parser.add_argument("--request", required=True, help="request.npz")
    parser.add_argument("--job", required=True, help="JSON: method, model, recipe, seeds, ...")
    fleets.add_outputs(parser)
    command.run(main, parser)
