"""Rule `table`: means and intervals of one experiment."""

import argparse
import json
from collections.abc import Sequence

import pandas as pd

from scripts import command
from unlearn.evaluation import tables
from unlearn.evaluation.relearned_tables import summarise_relearned
from unlearn.storage.files import read_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Read the scores of the cells, summarise them, write the table."""
    job = json.loads(arguments.job)
    paths = command.file_list(job["scores"], arguments.results)
    scores = tables.parse_scores(map(read_text, paths))

    def summary(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
        return tables.summarise(rows, metrics, job["split"], job["columns"], job["draws"])

    if "relearned" in job:
        relearned_paths = command.file_list(job["relearned"], arguments.results)
        relearned = tables.parse_scores(map(read_text, relearned_paths))
        table = summarise_relearned(summary, scores, relearned, job["y"])
    else:
        table = summary(scores, job["y"])
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("scores, relearned (files), y (metrics), split, columns, draws")
    parser.add_results()
    parser.add_output("output", "the table, csv")
    command.run(main, parser)
