"""Rule `unlearn`: serve one request from a trained fleet with one method."""

import json
from pathlib import Path

from scripts import command, fleets
from unlearn.data import dataset
from unlearn.jobs.measure import Store
from unlearn.jobs.result import Result
from unlearn.jobs.setup import fleet_identity
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.storage.fleet import Fleet
from unlearn.storage.request import read_request, request_digest


def main(arguments):
    """Unlearn, or record why that failed."""
    data = dataset.load(Path(arguments.dataset).parent)
    job = json.loads(arguments.job)
    request = read_request(arguments.request, data.description["sha256"])
    identity = fleet_identity(data, job)
    weights = Path(arguments.trained).with_name("trained.safetensors")
    trained = Fleet(weights, identity)
    said = Fleet(weights.with_name("constituents.safetensors"), identity)
    label = f"{job['method']['kind']} {job['model']['kind']} on {data.description['name']}: "

    def serve(store: Store) -> Result:
        if not len(trained):
            raise command.CommandError("there is no trained model, its training failed")
        return unlearn_fleet(data, job, trained, request, label, store, said[0] if said else {})

    served = identity | {"request": request_digest(request)}
    fleets.write(arguments, job, served, serve)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--trained", required=True, help="costs.json of the trained fleet")
    parser.add_argument("--request", required=True, help="request.npz")
    parser.add_argument("--job", required=True, help="JSON: method, model, recipe, seeds, ...")
    fleets.add_outputs(parser)
    command.run(main, parser)
