"""Rule `scores`: the scores of all cells in one file."""

from scripts import command
from unlearn import artifacts


def main(arguments):
    """Concatenate, with one header."""
    parts = []
    for path in arguments.inputs:
        with open(path, encoding="utf-8", newline="") as file:
            header, rows = file.readline(), file.read()
        parts.append(rows)
    artifacts.write_text(arguments.output, "".join([header, *parts]))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("inputs", nargs="+", help="scores.csv of every cell")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
