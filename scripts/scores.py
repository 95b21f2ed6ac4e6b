"""Rule `scores`: the scores of all cells in one file."""

import argparse
import json

from scripts import command
from unlearn.storage.files import read_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Concatenate the files under one header; a seed that two fleets share is listed once."""
    rows: dict[str, str] = {}
    for path in command.file_list(json.loads(arguments.job), arguments.results):
        header, *lines = read_text(path).splitlines(keepends=True)
        for line in lines:
            rows.setdefault(line.rpartition(",")[0], line)
    write_text(arguments.output, "".join([header, *rows.values()]))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("what unlearn.study.grid.files lists")
    parser.add_results()
    parser.add_output("output", "all scores, csv")
    command.run(main, parser)
