"""Rule `table`: means and intervals of one experiment."""

import json

from scripts import command
from unlearn.evaluation import tables
from unlearn.storage.files import write_text


def main(arguments):
    """Read the cells' scores, summarise, write."""
    job = json.loads(arguments.job)
    scores = tables.read_scores(command.listed(arguments.scores, arguments.results))
    table = tables.summarise(scores, job["y"], job["split"], job["columns"])
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    command.add_listed(parser, "--scores")
    parser.add_argument("--job", required=True, help="JSON: y (metrics), split, columns")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
