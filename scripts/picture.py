"""Rule `picture`: images, their noise and their sum, from a table of pixels."""

import argparse

import pandas as pd

from scripts import command
from unlearn.report.figures import _noise_gallery, _style
from unlearn.storage.files import replacing


def main(arguments: argparse.Namespace) -> None:
    """Draw and save as SVG and PNG."""
    figure = _noise_gallery.draw(pd.read_csv(arguments.table))
    for path in (arguments.svg, arguments.png):
        with replacing(path) as partial:
            _style.save(figure, partial, path.rpartition(".")[2])


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--svg", required=True, help="output")
    parser.add_argument("--png", required=True, help="output")
    command.run(main, parser)
