"""Rule `score`: the scores of one cell, from logits, weights and costs."""

import argparse
import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from scripts import command
from unlearn.data import dataset
from unlearn.evaluation import score
from unlearn.evaluation.cell_gates import Violation
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.evaluation.fleets import Comparison, EvaluatedPoints, ScoredFleet, TrainedFleet
from unlearn.evaluation.gated_score import gated_score
from unlearn.metrics.catalogue import METRICS
from unlearn.storage.files import (
    CURE,
    ArtifactError,
    digest,
    read_array,
    read_costs,
    write_json,
    write_text,
)
from unlearn.storage.fleet import Fleet
from unlearn.storage.request import read_request, read_twins, request_digest

UNKNOWN_PRECISION = "unknown"
"""That of a cell whose fleets have all failed."""

COLUMNS = (*CELL_COLUMNS, "seed", "metric", "split", "value")


def main(arguments: argparse.Namespace) -> None:
    """Write the tidy rows of the cell."""
    data = dataset.load(Path(arguments.dataset).parent)
    request = read_request(Path(arguments.request).with_name("request.npz"), data.fingerprint)
    steps = list(request.steps(len(data.train_labels), data.base_ids))
    job = json.loads(arguments.job)
    training = _costs(arguments.trained)
    trained_weights = Fleet(
        Path(arguments.trained).with_name("trained.safetensors"),
        {"dataset": data.description["sha256"]},
    )
    identity = trained_weights.identity | {"request": request_digest(request)}
    control_identity = {name: value for name, value in identity.items() if name != "trainer"}
    reference_paths = dict(zip(job["references"], arguments.references, strict=True))
    controls = [path for path in (arguments.oracle, arguments.original) if path]
    precision = _common_precision(
        [arguments.trained, arguments.unlearned, *controls, *reference_paths.values()]
    )
    unlearned = _fleet(arguments.unlearned, identity)
    oracle, original = (
        unlearned if path == arguments.unlearned else path and _fleet(path, control_identity)
        for path in (arguments.oracle, arguments.original)
    )
    other_costs = _noise_costs(data, arguments.noise)
    other_costs |= _other_costs(arguments.scoring, "scoring_field")
    other_costs |= _other_costs(arguments.tuning, "tuning_field")
    fleets = Comparison(
        trained=TrainedFleet(
            weights=trained_weights,
            costs=[record | other_costs for record in training["models"]],
        ),
        unlearned=unlearned,
        oracle=oracle,
        original=original,
        references={name: _fleet(path, identity) for name, path in reference_paths.items()},
        promised_level=job["guarantee"]["level"],
    )
    points = EvaluatedPoints(
        ids=data.evaluated_ids(request),
        sample_ids=data.sample_ids,
        train_labels=data.train_labels,
        validation_labels=data.validation_labels,
        test_labels=data.test_labels,
        twins=read_twins(Path(arguments.request).with_name("request.npz")),
        swapped_classes=data.swapped_classes,
    )
    changed_points = {step.index: len(step.forget_ids) + len(step.added_ids) for step in steps}
    cell = {"rate": changed_points[len(steps)] / len(data.base_ids)} | job["cell"]
    cell["precision"] = precision
    members = {"trained": _members(training)}
    if oracle is not None:
        members["oracle"] = _members(_costs(arguments.oracle))
    rows, findings = gated_score(points, steps, training["seeds"], fleets, members)
    write_text(arguments.output, _csv(rows, cell, changed_points))
    write_json(arguments.gates, _gate_reasons(findings))


def _gate_reasons(findings: Iterable[Violation]) -> dict[str, list[str]]:
    """The gates that the cell violates: why it is `refused`, and why it is `flagged`."""
    reasons: dict[str, list[str]] = {"refused": [], "flagged": []}
    for finding in findings:
        text = f"{finding.gate}: {finding.reason}"
        reasons["refused" if finding.is_refusal else "flagged"].append(text)
        print(f"{'refused' if finding.is_refusal else 'flagged'}: {text}")
    return reasons


def _members(costs: dict) -> list[tuple[int, str]]:
    """Seed and digest of the training ids of each member of a fleet."""
    return list(zip(costs["seeds"], costs["train_ids_sha256"], strict=False))


def _csv(rows: Iterable[score.Row], cell: dict, changed_points: dict[int, int]) -> str:
    """The rows as text, with the columns of the cell and the points changed by each step."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step, seed, metric, split, value in rows:
        columns = cell | {"step": step, "points": changed_points[step]}
        columns |= {"seed": seed, "metric": metric, "split": split}
        columns["value"] = "" if value is None else repr(value)
        writer.writerow([columns[name] for name in COLUMNS])
    return table.getvalue()


def _costs(path: str) -> dict:
    """The `costs.json` beside the record of a fleet."""
    return read_costs(Path(path).with_name("costs.json"))


def _noise_costs(data: dataset.Dataset, path: str | None) -> dict:
    """What making the noise of the images took, as a part of learning."""
    if path is None or not len(data.noised_ids):
        return {}
    record = data.description["noise"] | _costs(path)
    return {
        metric.name: record[metric.noise_field]
        for metric in METRICS.values()
        if metric.noise_field in record
    }


def _other_costs(path: str | None, field: str) -> dict:
    """What was taken beside training: by scoring the points of the request, or by tuning.

    `field` is the field of a metric that names its number in the record at `path`.
    """
    names = {name: getattr(metric, field) for name, metric in METRICS.items()}
    record = {} if path is None else _costs(path)
    return {name: record[key] for name, key in names.items() if key and record}


def _common_precision(paths: Iterable[str]) -> str:
    """The precision of fleets; CommandError if their arithmetic differs."""
    paths_by_kind = {}
    precision = UNKNOWN_PRECISION
    for path in paths:
        machine = _costs(path)["machine"]
        if machine:  # a failed fleet has none
            paths_by_kind[machine["arithmetic"]] = path
            precision = machine["precision"]
    if len(paths_by_kind) > 1:
        kinds = "; ".join(f"{path}: {kind}" for kind, path in paths_by_kind.items())
        raise command.CommandError(
            f"results of different arithmetic cannot be compared ({kinds}); set `device` and "
            "`precision` in the study, and run it on one kind of machine"
        )
    return precision


def _fleet(path: str, identity: dict[str, str]) -> ScoredFleet | None:
    """The fleet of a record; None if it failed.

    ArtifactError if the weights have another identity or the logits are not those recorded.
    """
    costs = _costs(path)
    if costs["status"] == "failed":
        return None
    weights = Fleet(Path(path).with_name("unlearned.safetensors"), identity)
    logits = read_array(Path(path).with_name("logits.npy"))
    votes = read_array(Path(path).with_name("votes.npy"))
    ids = read_array(Path(path).with_name("ids.npy"))
    if digest(logits, votes, ids) != costs["outputs_sha256"]:
        raise ArtifactError(
            f"{path}: logits.npy, votes.npy and ids.npy beside it are not of this fleet; {CURE}"
        )
    return ScoredFleet(
        logits=logits,
        votes=votes,
        weights=lambda member, position: {
            name: weights[member][name][position] for name in costs["weights"]
        },
        weight_names=costs["weights"],
        costs=costs["models"],
        weight_shapes={name: weights.shape(name)[1:] for name in costs["weights"]},
        claims=costs["certificates"],
    )


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--request", required=True, help="record.json of the request")
    parser.add_argument("--trained", required=True, help="record.json before the request")
    parser.add_argument("--unlearned", required=True, help="record.json after it")
    parser.add_argument("--oracle", nargs="?", help="record.json of the oracle")
    parser.add_argument("--original", nargs="?", help="record.json of doing nothing")
    parser.add_argument("--noise", nargs="?", help="record.json of the noise on the images")
    parser.add_argument("--scoring", nargs="?", help="record.json of the scores of the points")
    parser.add_argument("--tuning", nargs="?", help="record.json of the choice of parameters")
    parser.add_argument("--references", nargs="*", default=[], help="record.json of other fleets")
    parser.add_job("columns of the cell, its guarantee, names of the references")
    parser.add_output("output", "the scores, csv")
    parser.add_output("gates", "why the cell is refused or flagged, json")
    command.run(main, parser)
