"""Rule `certificate`: what a cell promises of the points that it has deleted."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.certification.artefacts import read_subject
from unlearn.certification.document import document
from unlearn.certification.verification import checks_of_text
from unlearn.storage.files import write_json
from unlearn.study.grid import Cell


def main(arguments: argparse.Namespace) -> None:
    """Write the certificate; CommandError where there is nothing to certify."""
    job = json.loads(arguments.job)
    try:
        subject = read_subject(Path(arguments.results), Cell(**job["cell"]), job["tuned_on"])
        content = document(subject)
    except ValueError as error:
        raise command.CommandError(str(error)) from error
    for result in checks_of_text(content):
        if result.problem:
            raise command.CommandError(f"{result.name}: {result.problem}")
    write_json(arguments.output, content)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("cell, tuned_on: the request that its method was tuned on")
    parser.add_results()
    parser.add_output("output", "the certificate, json")
    command.run(main, parser)
