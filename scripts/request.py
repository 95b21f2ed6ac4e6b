"""Rule `request`: draw the points that a request deletes or adds."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from scripts import command
from unlearn.core import registry
from unlearn.data.dataset import load
from unlearn.requests.twins import twin_count
from unlearn.storage.files import read_ids
from unlearn.storage.request import write_request
from unlearn.storage.scores import read_scores


def main(arguments: argparse.Namespace) -> None:
    """Draw and write one request."""
    dataset = load(Path(arguments.dataset).parent)
    if arguments.scores:
        path = Path(arguments.scores).with_name("memorisation.npz")
        dataset = replace(dataset, scores=read_scores(path, dataset.fingerprint))
    block = json.loads(arguments.request)
    try:
        sampler = registry.create("requests", block)
        if arguments.ids:
            sampler = sampler.with_ids(read_ids(arguments.ids))
        request = sampler.draw(dataset)
        *_, step = request.steps(len(dataset.train_labels), dataset.base_ids)
    except ValueError as error:
        raise command.CommandError(f"request {block['kind']}: {error}") from error
    twins = twin_count(dataset.train_images, step.forget_ids, step.retain_ids)
    write_request(arguments.output, request, dataset.fingerprint, block["parameters"], twins)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_parameter("request", help="JSON: kind, parameters")
    parser.add_argument("--ids", nargs="?", help="a text file with one id a line")
    parser.add_argument("--scores", nargs="?", help="record.json of the scores of the points")
    parser.add_output("output", "request.npz")
    command.run(main, parser)
