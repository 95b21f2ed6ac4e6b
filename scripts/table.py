"""Rule `table`: means and intervals of one experiment."""

import argparse
import json

from scripts import command
from unlearn.evaluation import tables
from unlearn.storage.files import read_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Read the scores of the cells, summarise them, write the table."""
    job = json.loads(arguments.job)
    scores, audits = (
        tables.parse_all(map(read_text, command.file_list(job[kind], arguments.results)))
        for kind in ("scores", "audits")
    )
    table = tables.summarise(scores, job["y"], job["split"], job["columns"], job["draws"], audits)
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("scores and audits (files), y (metrics), split, columns, draws")
    parser.add_results()
    parser.add_output("output", "the table, csv")
    command.run(main, parser)
