"""Rule `figure`: the figure of one experiment, from its table."""

import importlib
import json
from collections.abc import Mapping, Sequence

from scripts import command
from unlearn.evaluation import tables
from unlearn.report.figures import _style
from unlearn.storage.files import replacing


def draw(table: str, block: Mapping, outputs: Sequence[str]) -> None:
    """Draw what a figure block asks for from a table, and save it in the formats of the outputs."""
    kind = importlib.import_module(f"unlearn.report.figures.{block['kind']}")
    figure = kind.draw(tables.read(table), block)
    for path in outputs:
        with replacing(path) as partial:
            _style.save(figure, partial, str(path).rpartition(".")[2])
    _style.pyplot.close(figure)


def main(arguments):
    """Draw and save as SVG and PNG."""
    draw(arguments.table, json.loads(arguments.job), (arguments.svg, arguments.png))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--job", required=True, help="JSON: the experiment's figure block")
    parser.add_argument("--svg", required=True, help="output")
    parser.add_argument("--png", required=True, help="output")
    command.run(main, parser)
