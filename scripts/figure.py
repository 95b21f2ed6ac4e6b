"""Rule `figure`: the figure of one experiment, from its table."""

import importlib
import json

from scripts import command
from unlearn import artifacts, tables
from unlearn.figures import _style


def main(arguments):
    """Draw and save as SVG and PNG."""
    job = json.loads(arguments.job)
    kind = importlib.import_module(f"unlearn.figures.{job['kind']}")
    table = tables.read(arguments.table)
    figure = kind.draw(table, job)
    for path in (arguments.svg, arguments.png):
        with artifacts.replacing(path) as partial:
            _style.save(figure, partial, path.rpartition(".")[2])


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--job", required=True, help="JSON: the experiment's figure block")
    parser.add_argument("--svg", required=True, help="output")
    parser.add_argument("--png", required=True, help="output")
    command.run(main, parser)
