"""Rule `unlearn`: serve one request from a trained fleet with one method."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from scripts import command, fleets
from unlearn.data.dataset import load
from unlearn.jobs.description import FleetJob
from unlearn.jobs.measure import Store
from unlearn.jobs.result import Result
from unlearn.jobs.setup import machine_of
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.storage.files import read_json
from unlearn.storage.fleet import Fleet
from unlearn.storage.request import read_request, request_digest
from unlearn.training.state import State


def main(arguments: argparse.Namespace) -> None:
    """Unlearn, or record why that failed."""
    dataset = load(Path(arguments.dataset).parent)
    job = FleetJob.read(json.loads(arguments.job))
    if arguments.choice:
        job = _tuned(job, Path(arguments.choice).with_name("choice.json"))
    request = read_request(Path(arguments.request).with_name("request.npz"), dataset.fingerprint)
    identity = job.identity(dataset.fingerprint)
    weights = Path(arguments.trained).with_name("trained.safetensors")
    trained = Fleet(weights, identity)
    constituents = Fleet(weights.with_name("constituents.safetensors"), identity)

    def serve(store: Store) -> Result:
        if job.method["parameters"] is None:
            raise command.CommandError("tuning: no trial could be used; see its trials.csv")
        if not len(trained):
            raise command.CommandError("there is no trained model, its training failed")
        fleets.check_arithmetic(trained, machine_of(job))
        return unlearn_fleet(
            dataset,
            job,
            _originals(trained, job),
            request,
            label=f"{job.method['kind']} {job.model['kind']} on {dataset.description['name']}: ",
            store=store,
            constituents=constituents[0] if constituents else {},
        )

    fleets.write(arguments, job, identity | {"request": request_digest(request)}, serve)


def _tuned(job: FleetJob, path: Path) -> FleetJob:
    """The job with the parameters that tuning has chosen; with none where no trial can be used."""
    chosen = read_json(path)["parameters"]
    parameters = None if chosen is None else job.method["parameters"] | chosen
    return replace(job, method=job.method | {"parameters": parameters})


def _originals(trained: Fleet, job: FleetJob) -> list[State]:
    """The trained model of each member: that of its seed."""
    places = {member.seed: k for k, member in enumerate(job.trained_members or job.members)}
    return [trained[places[member.seed]] for member in job.members]


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--trained", required=True, help="record.json of the trained fleet")
    parser.add_argument("--request", required=True, help="record.json of the request")
    parser.add_argument("--choice", nargs="?", help="record.json of the choice of parameters")
    parser.add_job("method, model, recipe, members, ...")
    fleets.add_outputs(parser)
    command.run(main, parser)
