"""Rule `trials`: all trials of the tuned methods of an experiment, in one table."""

import argparse
import json

from scripts import command
from unlearn.storage.files import read_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Join the tables of the choices under one header."""
    rows: list[str] = []
    for path in command.file_list(json.loads(arguments.job), arguments.results):
        header, *lines = read_text(path).splitlines(keepends=True)
        rows += lines
    write_text(arguments.output, "".join([header, *rows]))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("the tables of trials: what unlearn.study.grid.files lists")
    parser.add_results()
    parser.add_output("output", "all trials, csv")
    command.run(main, parser)
