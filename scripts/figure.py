"""Rule `figure`: the figure of one experiment, from its table."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import command
from unlearn.core import registry
from unlearn.evaluation import tables
from unlearn.report.figures import _style
from unlearn.storage.files import replacing


def draw(table: Path, block: Mapping, outputs: Sequence[Path]) -> None:
    """Draw the figure of a table, and save it in the formats of the outputs.

    `block` is the figure block of an experiment.
    """
    kind = registry.find("figures", block["kind"])()
    figure = kind.draw(tables.parse(table.read_text(encoding="utf-8")), block)
    for path in outputs:
        with replacing(path) as partial:
            _style.save(figure, partial, path.suffix[1:])
    _style.pyplot.close(figure)


def main(arguments: argparse.Namespace) -> None:
    """Draw and save as SVG and PNG."""
    outputs = [Path(arguments.svg), Path(arguments.png)]
    draw(Path(arguments.table), command.job(arguments.job), outputs)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--table", required=True)
    command.add_job(parser, "the experiment's figure block")
    parser.add_argument("--svg", required=True, help="output")
    parser.add_argument("--png", required=True, help="output")
    command.run(main, parser)
