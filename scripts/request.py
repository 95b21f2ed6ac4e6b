"""Rule `request`: draw the points that a request deletes or adds."""

import importlib
import json
from pathlib import Path

from scripts import command
from unlearn.data import dataset
from unlearn.storage.request import write_request


def main(arguments):
    """Draw and write one request."""
    data = dataset.load(Path(arguments.dataset).parent)
    block = json.loads(arguments.request)
    sampler = importlib.import_module(f"unlearn.requests.{block['kind']}")
    try:
        reads = {name: getattr(data, name) for name in getattr(sampler, "READS", ())}
        request = sampler.draw(data.train_labels, data.held_out, **block["parameters"], **reads)
        for _ in request.steps(len(data.train_labels), data.base):
            pass
    except ValueError as error:
        raise command.CommandError(f"request {block['kind']}: {error}") from error
    fingerprint = data.description["sha256"]
    write_request(arguments.output, request, fingerprint, block["parameters"])


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--request", required=True, help="JSON: kind, parameters")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
