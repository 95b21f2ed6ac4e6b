"""Rule `scores`: the scores of all cells in one file."""

from scripts import command
from unlearn import artifacts


def main(arguments):
    """Concatenate, with one header; a seed that two fleets share is listed once."""
    rows: dict[str, str] = {}
    for path in arguments.inputs:
        with open(path, encoding="utf-8", newline="") as file:
            header = file.readline()
            for line in file:
                rows.setdefault(line.rpartition(",")[0], line)
    artifacts.write_text(arguments.output, "".join([header, *rows.values()]))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("inputs", nargs="+", help="scores.csv of every cell")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
