"""Rule `table`: means and intervals of one experiment."""

import argparse
from pathlib import Path

from scripts import command
from unlearn.evaluation import tables
from unlearn.storage.files import write_text


def main(arguments: argparse.Namespace) -> None:
    """Read the scores of the cells, summarise them, write the table."""
    job = command.job(arguments.job)
    paths = command.file_list(job["scores"], arguments.results)
    scores = tables.parse_scores(Path(path).read_text(encoding="utf-8") for path in paths)
    table = tables.summarise(scores, job["y"], job["split"], job["columns"], job["draws"])
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    parser = command.parser(__doc__)
    command.add_job(parser, "scores (files), y (metrics), split, columns, draws")
    parser.add_argument("--results", required=True, help="folder of the study's results")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
