"""Rule `scores`: the scores of all cells in one file."""

import argparse

from scripts import command
from unlearn.storage.files import write_text


def main(arguments: argparse.Namespace) -> None:
    """Concatenate the files under one header; a seed that two fleets share is listed once."""
    rows: dict[str, str] = {}
    for path in command.file_list(command.job(arguments.job), arguments.results):
        with open(path, encoding="utf-8", newline="") as file:
            header = file.readline()
            for line in file:
                rows.setdefault(line.rpartition(",")[0], line)
    write_text(arguments.output, "".join([header, *rows.values()]))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    command.add_job(parser, "what unlearn.study.grid.files lists")
    parser.add_argument("--results", required=True, help="folder of the study's results")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
