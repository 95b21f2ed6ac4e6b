"""Rule `table`: means, intervals and tests of one experiment, and the scores of its seeds."""

import argparse
import json
from collections.abc import Sequence

import pandas as pd

from scripts import command
from unlearn.evaluation import controls, ranking, tables
from unlearn.evaluation.relearned_tables import summarise_relearned, with_ratios
from unlearn.evaluation.seed_scores import seed_scores
from unlearn.storage.files import read_text, write_compressed_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Read the scores of the cells, summarise them, write the table and the scores."""
    job = json.loads(arguments.job)
    texts, audits, relearned = (
        [read_text(path) for path in command.file_list(job.get(kind, []), arguments.results)]
        for kind in ("scores", "audits", "relearned")
    )
    scores = tables.parse_all(texts)
    audited = tables.parse_all(audits)

    def summary(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
        return tables.summarise(rows, metrics, job["split"], job["columns"], job["draws"], audited)

    rows = scores
    if relearned:
        curves = with_ratios(tables.parse_all(relearned), controls.oracles_of(job["columns"]))
        rows = pd.concat([scores, curves])
        table = summarise_relearned(summary, scores, curves, job["y"])
    else:
        table = summary(scores, job["y"])
    table = controls.with_holm(table, job["primary"])
    table = ranking.with_ranks(table, seed_scores(rows, job["draws"]), job["primary"])
    write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    write_compressed_text(arguments.seeds, tables.selected_text(texts, job["y"], job["split"]))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job(
        "scores, audits, relearned (files), y (metrics), primary (metrics), split, columns, draws"
    )
    parser.add_results()
    parser.add_output("output", "the table, csv")
    parser.add_output("seeds", "the scores of seeds that the table is made from, csv.gz")
    command.run(main, parser)
