"""Rule `sensitivity`: the figure of all trials of an experiment."""

import argparse
import io
import json

import pandas as pd

from scripts import command
from unlearn.report.figures import _style, _trials
from unlearn.storage.files import read_text, replacing


def main(arguments: argparse.Namespace) -> None:
    """Draw and save as SVG and PNG."""
    table = pd.read_csv(io.StringIO(read_text(arguments.table)))
    figure = _trials.draw(table, json.loads(arguments.job)["labels"])
    for path in (arguments.svg, arguments.png):
        with replacing(path) as partial:
            _style.save(figure, partial, path.rpartition(".")[2])


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--table", required=True, help="all trials, csv")
    parser.add_job("labels, of methods by their names")
    parser.add_output("svg", "the figure")
    parser.add_output("png", "the figure")
    command.run(main, parser)
