"""The command `unlearn`: certify a cell, verify a certificate.

    unlearn certify CELL --output FILE [--tuned-on REQUEST]
    unlearn verify CERTIFICATE [--results DIR]

A cell is its folder below `unlearned`, `scores` or `certificates` of the results. Without
installation it is `python -m unlearn`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from unlearn.certification.artefacts import read_subject
from unlearn.certification.document import document
from unlearn.certification.layout import cell_of
from unlearn.certification.verification import checks_of_file
from unlearn.storage.files import ArtifactError, write_json


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 1 for what differs or cannot be certified.

    `words` are those after the name of the program; None takes them from the command line.
    """
    arguments = _parser().parse_args(words)
    try:
        return arguments.run(arguments)
    except (ArtifactError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def certify(arguments: argparse.Namespace) -> int:
    """Write the certificate of a cell."""
    results, cell = cell_of(arguments.cell)
    content = document(read_subject(results, cell, arguments.tuned_on))
    write_json(arguments.output, content)
    levels = sorted({entry["promise"]["level"] for entry in content["entries"]})
    print(f"{arguments.output}: {len(content['entries'])} entries, {', '.join(levels)}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Print a line for every check, up to the first that fails."""
    for result in checks_of_file(arguments.certificate, arguments.results):
        if result.problem:
            print(f"differs: {result.name}: {result.problem}")
            return 1
        print(f"agrees: {result.name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    """The arguments of both commands."""
    parser = argparse.ArgumentParser(prog="unlearn", description="Deletion certificates.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    certifier = commands.add_parser("certify", help="write the certificate of a finished cell")
    certifier.add_argument("cell", type=Path, metavar="CELL", help="its folder in the results")
    certifier.add_argument("--output", type=Path, required=True, help="the certificate, json")
    certifier.add_argument("--tuned-on", help="the request that the method was tuned on")
    certifier.set_defaults(run=certify)
    verifier = commands.add_parser("verify", help="recompute all that a certificate states")
    verifier.add_argument("certificate", type=Path, metavar="CERTIFICATE")
    verifier.add_argument("--results", type=Path, help="those of the study; default: where it lies")
    verifier.set_defaults(run=verify)
    return parser
