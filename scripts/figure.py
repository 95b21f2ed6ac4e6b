"""Rule `figure`: the figure of one experiment, from its table."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import command
from unlearn.core import registry
from unlearn.evaluation import tables
from unlearn.report.figures import _style
from unlearn.storage.files import read_text, replacing


def draw(table: Path, block: Mapping, outputs: Sequence[Path]) -> None:
    """Draw the figure of a table, and save it in the formats of the outputs.

    `block` is the figure block of an experiment.
    """
    kind = registry.find("figures", block["kind"])()
    figure = kind.draw(tables.parse(read_text(table)), block)
    for path in outputs:
        with replacing(path) as partial:
            _style.save(figure, partial, path.suffix[1:])
    _style.pyplot.close(figure)


def main(arguments: argparse.Namespace) -> None:
    """Draw and save as SVG and PNG."""
    outputs = [Path(arguments.svg), Path(arguments.png)]
    draw(Path(arguments.table), json.loads(arguments.job), outputs)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--table", required=True)
    parser.add_job("the experiment's figure block")
    parser.add_output("svg", "the figure")
    parser.add_output("png", "the figure")
    command.run(main, parser)
