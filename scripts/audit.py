"""Rule `audit`: the metrics of populations, of one method on one request."""

import argparse
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import command
from unlearn.data import dataset
from unlearn.evaluation import audit, audit_gates
from unlearn.evaluation.columns import CELL_COLUMNS, SEPARATOR
from unlearn.evaluation.fleets import EvaluatedPoints
from unlearn.metrics.populations import GROUPS, Populations
from unlearn.requests.request import Step
from unlearn.storage.files import (
    CURE,
    ArtifactError,
    digest,
    read_array,
    read_costs,
    write_compressed_arrays,
    write_text,
)
from unlearn.storage.fleet import Fleet
from unlearn.storage.request import read_request, request_digest

COLUMNS = (
    *(*CELL_COLUMNS, "population", "metric", "split"),
    *("value", "low", "high", "error", "n", "reason", *audit.DIFFERENCES, *audit.COUNTS),
    "flags",
)

NO_DIFFERENCE = (None, None, None, None)


@dataclass(frozen=True)
class StoredGroup:
    """The models of one group, from the files of their fleets."""

    logits: np.ndarray
    """K x P x C, after the last step of the request."""
    seeds: Sequence[int]
    train_ids_sha256: Sequence[str]
    failed: int
    """Models whose method or training raised an error; they have no logits."""
    diverged: int
    """Models that are not finite."""
    machines: Mapping[str, str]
    """The path of a fleet for each kind of arithmetic."""
    precision: str | None


def main(arguments: argparse.Namespace) -> None:
    """Compare the populations; write the audit, and one value per deleted point."""
    data = dataset.load(Path(arguments.dataset).parent)
    request = read_request(Path(arguments.request).with_name("request.npz"), data.fingerprint)
    *_, step = request.steps(len(data.train_labels), data.base_ids)
    job = json.loads(arguments.job)
    identity = {"dataset": data.fingerprint, "request": request_digest(request)}
    ids = data.evaluated_ids(request)
    groups = {
        name: _group(command.file_list(job["groups"][name], arguments.results), identity, ids)
        for name in GROUPS
    }
    _check_arithmetic(groups.values())
    _check_members(groups, step, data.base_ids)
    points = EvaluatedPoints(
        ids=ids,
        sample_ids=data.sample_ids,
        train_labels=data.train_labels,
        validation_labels=data.validation_labels,
        test_labels=data.test_labels,
    ).split(step)
    is_original = job["cell"]["method"] == "original"
    counted = [group for name, group in groups.items() if name != "originals" or not is_original]
    counts = {
        "failed": sum(group.failed for group in counted),
        "diverged": sum(group.diverged for group in counted),
    }
    populations = Populations(
        logits={name: group.logits for name, group in groups.items()},
        labels=points.labels,
        rows=points.rows,
        is_original=is_original,
    )
    reason = audit.problem(populations, counts)
    findings = []
    if not reason:
        seeds = {name: group.seeds for name, group in groups.items()}
        findings = audit_gates.violations(populations, seeds, is_oracle=job["is_oracle"])
        reason = audit_gates.refusal(findings)
    rows = list(audit.refusal(reason) if reason else audit.audit(populations))
    if job["is_oracle"] and not reason:
        reason = audit.oracle_failure(rows)
        rows = list(audit.refusal(reason)) if reason else rows
    changed_points = len(step.forget_ids) + len(step.added_ids)
    cell = {"rate": changed_points / len(data.base_ids)} | job["cell"]
    precision = groups["unlearned"].precision or groups["reference"].precision or "unknown"
    cell |= {"step": step.index, "points": changed_points, "precision": precision}
    cell["flags"] = SEPARATOR.join(audit_gates.flags(findings))
    write_text(arguments.audit, _csv(rows, cell | counts))
    examples = {} if reason else audit.examples(populations)
    examples |= {"ids": step.forget_ids, "labels": data.train_labels[step.forget_ids]}
    write_compressed_arrays(arguments.examples, examples)


def _group(paths: Iterable[str], identity: Mapping[str, str], ids: np.ndarray) -> StoredGroup:
    """The models of some fleets.

    Args:
        paths: The record of each fleet.
        identity: The data set and the request that all must be of.
        ids: The training ids that the first rows of their logits must be of.

    Raises:
        ArtifactError: A file that is not of these fleets.
    """
    logits: list[np.ndarray] = []
    seeds: list[int] = []
    digests: list[str] = []
    machines: dict[str, str] = {}
    precision = None
    failed = diverged = 0
    for path in map(Path, paths):
        costs = read_costs(path.with_name("costs.json"))
        seeds += costs["seeds"]
        if costs["status"] == "failed":
            failed += len(costs["seeds"])
            continue
        precision = costs["machine"]["precision"]
        machines[costs["machine"]["arithmetic"]] = str(path)
        digests += costs["train_ids_sha256"]
        diverged += sum(_has_diverged(model) for model in costs["models"])
        logits.append(_last_logits(path, costs, identity, ids))
    return StoredGroup(
        logits=np.concatenate(logits) if logits else np.empty((0, 0, 0), np.float32),
        seeds=seeds,
        train_ids_sha256=digests,
        failed=failed,
        diverged=diverged,
        machines=machines,
        precision=precision,
    )


def _last_logits(
    path: Path, costs: Mapping, identity: Mapping[str, str], ids: np.ndarray
) -> np.ndarray:
    """The logits of a fleet after the last step of the request, K x P x C.

    Args:
        path: The record of the fleet.
        costs: Its `costs.json`.
        identity: The data set and the request that it must be of.
        ids: The training ids that the first rows must be of.

    Raises:
        ArtifactError: A file that is not of this fleet, or of other points.
    """
    (weights,) = path.parent.glob("[!.]*.safetensors")
    Fleet(weights, identity)
    logits = read_array(path.with_name("logits.npy"))
    votes = read_array(path.with_name("votes.npy"))
    fleet_ids = read_array(path.with_name("ids.npy"))
    if digest(logits, votes, fleet_ids) != costs["outputs_sha256"]:
        raise ArtifactError(
            f"{path}: logits.npy, votes.npy and ids.npy beside it are not of this fleet; {CURE}"
        )
    if not np.array_equal(fleet_ids, ids):
        raise ArtifactError(f"{path}: its logits are of other points; {CURE}")
    return logits if logits.ndim == 3 else logits[:, -1]


def _has_diverged(model: Mapping | Sequence[Mapping]) -> bool:
    """Whether a model is not finite; `model` is its cost, or the costs of its steps."""
    cost = model if isinstance(model, Mapping) else model[-1]
    return bool(cost["diverged"])


def _check_arithmetic(groups: Iterable[StoredGroup]) -> None:
    """Raise CommandError for fleets of different arithmetic."""
    machines = {kind: path for group in groups for kind, path in group.machines.items()}
    if len(machines) > 1:
        kinds = "; ".join(f"{path}: {kind}" for kind, path in machines.items())
        raise command.CommandError(
            f"models of different arithmetic cannot be compared ({kinds}); set `device` and "
            "`precision` in the study, and run it on one kind of machine"
        )


def _check_members(groups: Mapping[str, StoredGroup], step: Step, base_ids: np.ndarray) -> None:
    """Raise CommandError for models of other points, or for oracles that share a seed with others.

    Args:
        groups: The models.
        step: The last step of the request.
        base_ids: The points of base training.
    """
    reference = groups["reference"]
    for name, ids in (("reference", step.retain_ids), ("originals", base_ids)):
        expected = digest(ids)
        if any(sha256 != expected for sha256 in groups[name].train_ids_sha256):
            raise command.CommandError(
                f"{name}: a model was trained on other points; audits of it say nothing"
            )
    shared = set(reference.seeds) & (
        set(groups["unlearned"].seeds) | set(groups["originals"].seeds)
    )
    if shared:
        raise command.CommandError(
            f"seed {min(shared)}: an oracle shares it with a model that is compared with it"
        )


def _csv(rows: Iterable[audit.AuditRow], cell: Mapping) -> str:
    """The rows as text, with the columns of the cell."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for metric, split, finding in rows:
        values = {name: getattr(finding, name) for name in ("value", "low", "high", "error")}
        values |= zip(audit.DIFFERENCES, finding.difference or NO_DIFFERENCE, strict=True)
        numbers = {
            name: "" if number is None else repr(float(number)) for name, number in values.items()
        }
        columns = {**cell, **numbers, "metric": metric, "split": split, "n": finding.n}
        columns["reason"] = finding.reason
        writer.writerow([columns[name] for name in COLUMNS])
    return table.getvalue()


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--request", required=True, help="record.json of the request")
    parser.add_job("columns of the cell, groups (files of models)")
    parser.add_results()
    parser.add_output("audit", "the metrics of populations, csv")
    parser.add_output("examples", "one value per deleted point, npz")
    command.run(main, parser)
