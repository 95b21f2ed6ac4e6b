"""Rule `table`: means and intervals of one experiment."""

import argparse
import json

from scripts import command
from unlearn.evaluation import tables
from unlearn.storage.files import read_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Read the scores of the cells, summarise them, write the table."""
    job = json.loads(arguments.job)
    paths = command.file_list(job["scores"], arguments.results)
    scores = tables.parse_scores(map(read_text, paths))
    table = tables.summarise(scores, job["y"], job["split"], job["columns"], job["draws"])
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("scores (files), y (metrics), split, columns, draws")
    parser.add_results()
    parser.add_output("output", "the table, csv")
    command.run(main, parser)
