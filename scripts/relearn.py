"""Rule `relearn`: fine-tune the unlearned models of one cell on half of the deleted points."""

import argparse
import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from scripts import command, fleets
from unlearn.data.dataset import load
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.jobs.description import FleetJob
from unlearn.jobs.relearn import CurveRow, Relearner
from unlearn.jobs.setup import machine_of
from unlearn.metrics.relearning import RELEARNING_STEP
from unlearn.storage.files import read_costs, write_text
from unlearn.storage.fleet import Fleet
from unlearn.storage.request import read_request, request_digest
from unlearn.training.relearning import Relearning

COLUMNS = (*CELL_COLUMNS, RELEARNING_STEP, "seed", "metric", "split", "value")


def main(arguments: argparse.Namespace) -> None:
    """Write the tidy rows of the cell; none where its method failed."""
    dataset = load(Path(arguments.dataset).parent)
    described = json.loads(arguments.job)
    job = FleetJob.read(described["unlearn"])
    request = read_request(Path(arguments.request).with_name("request.npz"), dataset.fingerprint)
    costs = read_costs(Path(arguments.unlearned).with_name("costs.json"))
    if costs["status"] == "failed":
        write_text(arguments.output, _csv([], {}))
        return
    identity = job.identity(dataset.fingerprint)
    trained = Fleet(Path(arguments.trained).with_name("trained.safetensors"), identity)
    unlearned = Fleet(
        Path(arguments.unlearned).with_name("unlearned.safetensors"),
        identity | {"request": request_digest(request)},
    )
    for fleet in (trained, unlearned):
        fleets.check_arithmetic(fleet, machine_of(job))
    *_, step = request.steps(len(dataset.train_labels), dataset.base_ids)
    points = len(step.forget_ids) + len(step.added_ids)
    cell = {"rate": points / len(dataset.base_ids)} | described["cell"]
    cell |= {"step": step.index, "points": points, "precision": costs["machine"]["precision"]}
    relearner = Relearner(dataset, job, request, Relearning(**described["relearning"]))
    states = ([fleet[member] for member in fleet] for fleet in (trained, unlearned))
    write_text(arguments.output, _csv(relearner.curves(*states), cell))


def _csv(rows: Iterable[CurveRow], cell: dict) -> str:
    """The rows as text, with the columns of the cell."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for seed, relearning_step, metric, split, value in rows:
        columns = cell | {"seed": seed, "metric": metric, "split": split}
        columns[RELEARNING_STEP] = "" if relearning_step is None else relearning_step
        columns["value"] = "" if value is None else repr(value)
        writer.writerow([columns[name] for name in COLUMNS])
    return table.getvalue()


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--request", required=True, help="record.json of the request")
    parser.add_argument("--trained", required=True, help="record.json before the request")
    parser.add_argument("--unlearned", required=True, help="record.json after it")
    parser.add_job("unlearn (the job of the cell), relearning, columns of the cell")
    parser.add_output("output", "the curves of relearning, csv")
    command.run(main, parser)
