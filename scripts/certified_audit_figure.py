"""Rule `certified_audit_figure`: lower bounds against certificates, from the table of an audit."""

import argparse
import io

import pandas as pd

from scripts import command
from unlearn.report.figures import _certified_audit, _style
from unlearn.storage.files import read_text, replacing


def main(arguments: argparse.Namespace) -> None:
    """Draw and save as SVG and PNG."""
    figure = _certified_audit.draw(pd.read_csv(io.StringIO(read_text(arguments.table))))
    for path in (arguments.svg, arguments.png):
        with replacing(path) as partial:
            _style.save(figure, partial, path.rpartition(".")[2])


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--table", required=True)
    parser.add_output("svg", "the figure")
    parser.add_output("png", "the figure")
    command.run(main, parser)
