"""The subject of a certificate, read from the artefacts of a cell."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.certification.layout import cell_folder
from unlearn.certification.subject import CertificateSubject, Publication, Remnant
from unlearn.core import registry
from unlearn.core.guarantee import Guarantee
from unlearn.data import dataset
from unlearn.data.dataset import Dataset
from unlearn.metrics.catalogue import METRICS
from unlearn.requests.request import Request
from unlearn.storage.files import ArtifactError, digest, read_costs, read_json, read_text
from unlearn.storage.fleet import Fleet, state_digest
from unlearn.storage.records import file_digest
from unlearn.storage.request import read_request, request_digest
from unlearn.study.grid import Cell

IDENTITY_KEYS = ("dataset", "fleet", "trainer")
"""What an unlearned fleet shares with the fleet that it was unlearned from."""

TRAINING_KEYS = ("model", "recipe", "trainer", "checkpoint", "device", "precision", "torch")
"""What the description of a job says of training."""

TRAINED_FILES = ("trained.safetensors", "constituents.safetensors", "logits.npy", "votes.npy")
"""Files of the trained fleet, which has seen all points; there may be fewer."""

Rows = Mapping[tuple[int, int], Mapping[str, float]]
"""(seed, step) -> metric/split -> value."""


@dataclass(frozen=True)
class CellArtefacts:
    """The opened artefacts of one cell."""

    data: Dataset
    request: Request
    trained: Fleet
    unlearned: Fleet
    costs: Mapping[str, Any]
    """The `costs.json` of the unlearned fleet."""
    trained_names: frozenset[str]
    """The tensors of a trained model that predictions need."""

    def weights(self, member: int, position: int) -> dict[str, np.ndarray]:
        """The published tensors of a member after a step.

        After the last step they are all that predictions need. Artefacts keep the trainable
        tensors alone of earlier steps.
        """
        changed_names = [name for name in self.unlearned.names if name != "none"]
        compared_names = set(self.costs["weights"])
        is_last = position == len(self.request.deletions) - 1
        weights = {
            name: self.unlearned.tensor(name, member, position if name in compared_names else 0)
            for name in changed_names
            if is_last or name in compared_names
        }
        if is_last:
            replaced_names = {*changed_names, *self.costs["superseded"]}
            weights |= {
                name: self.trained.tensor(name, member)
                for name in self.trained_names - replaced_names
            }
        return weights

    def trained_weights(self, member: int) -> dict[str, np.ndarray]:
        """The tensors of the trained model that predictions need."""
        return {name: self.trained.tensor(name, member) for name in self.trained_names}

    def trained_remnants(self, member: int) -> list[Remnant]:
        """The tensors of the trained model that were replaced, or that serve later requests."""
        superseded_names = set(self.costs["superseded"])
        return [
            Remnant(
                f"trained/{name}",
                digest(self.trained.tensor(name, member)),
                "superseded" if name in superseded_names else "stored",
            )
            for name in self.trained.names
            if name in superseded_names or name not in self.trained_names
        ]

    def private_remnants(self, member: int, position: int) -> list[Remnant]:
        """The tensors that a step has changed and that serve later requests."""
        digests = self.costs["private_digests"]
        names = digests[member][position] if digests else {}
        return [Remnant(f"state/{name}", sha256, "stored") for name, sha256 in names.items()]


def read_subject(results: Path, cell: Cell, tuned_on: str | None = None) -> CertificateSubject:
    """What a certificate of a cell is about.

    Args:
        results: the folder of the study's results.
        cell: the cell; it has scores.
        tuned_on: the request that the parameters of a tuned method were chosen on.

    Raises:
        ArtifactError: an artefact is missing, broken, or belongs to other results.
        ValueError: there is nothing to certify: the cell has failed, or `tuned_on` is missing.
    """
    unlearned_folder = cell_folder(results, "unlearned", cell)
    scores_folder = cell_folder(results, "scores", cell)
    costs = read_costs(unlearned_folder / "costs.json")
    if costs["status"] == "failed":
        raise ValueError(f"{unlearned_folder}: the cell has failed: {costs['error']}")
    record = read_json(unlearned_folder / "record.json")
    job = record["parameters"]["job"]
    data = dataset.load(results / "data" / cell.dataset)
    request_folder = results / "requests" / cell.dataset / cell.request
    request = read_request(request_folder / "request.npz", data.fingerprint)
    identity = {"dataset": data.fingerprint, "request": request_digest(request)}
    unlearned = Fleet(unlearned_folder / "unlearned.safetensors", identity)
    trained = _trained_fleet(results, cell, unlearned)
    trainer = registry.create("trainers", job["trainer"])
    trained_names = frozenset(trainer.served(trained.names))
    artefacts = CellArtefacts(data, request, trained, unlearned, costs, trained_names)
    guarantee = read_json(scores_folder / "record.json")["parameters"]["job"]["guarantee"]
    measured = _measured(scores_folder / "scores.csv")
    return CertificateSubject(
        cell=cell._asdict(),
        dataset=data.description["name"],
        dataset_sha256=digest(*data.arrays().values()),
        train_points=len(data.train_labels),
        base_points=len(data.base_ids),
        request_sha256=request_digest(request),
        method=job["method"]["kind"],
        parameters=_parameters(results, cell, job, tuned_on),
        training={name: job[name] for name in TRAINING_KEYS},
        code_sha256=code_digest(record["code"]),
        guarantee=Guarantee(**guarantee),
        tuned_on=tuned_on,
        findings=read_json(scores_folder / "gates.json"),
        remnants=list(_files(results, trained.path.parent)),
        publications=list(_publications(artefacts, measured)),
    )


def code_digest(code: Iterable[str]) -> str:
    """SHA-256 of lines `module@digest`, sorted."""
    return hashlib.sha256("\n".join(sorted(code)).encode()).hexdigest()


def _publications(artefacts: CellArtefacts, measured: Rows) -> Iterator[Publication]:
    """Every member after every step."""
    data = artefacts.data
    steps = list(artefacts.request.steps(len(data.train_labels), data.base_ids))
    claims = artefacts.costs["certificates"]
    for member, seed in enumerate(artefacts.costs["seeds"]):
        parent = state_digest(artefacts.trained_weights(member))
        remnants = artefacts.trained_remnants(member)
        for position, step in enumerate(steps):
            weights = artefacts.weights(member, position)
            yield Publication(
                seed=seed,
                steps=steps[: position + 1],
                weights=weights,
                parent_sha256=parent,
                claim=claims[member][position] if claims else None,
                measured=measured.get((seed, step.index), {}),
                remnants=[*remnants, *artefacts.private_remnants(member, position)],
            )
            parent = state_digest(weights)
            if parent is not None:
                remnants.append(Remnant(f"unlearned/step {step.index}", parent, "superseded"))


def _trained_fleet(results: Path, cell: Cell, unlearned: Fleet) -> Fleet:
    """The fleet that a cell was unlearned from: its trainer's name is not in the cell's."""
    identity = {key: unlearned.identity[key] for key in IDENTITY_KEYS}
    folder = results / "trained" / cell.dataset / cell.model
    paths = sorted(folder.glob(f"*/{cell.fleet}/trained.safetensors"))
    fleets = (Fleet(path) for path in paths)
    matching = (fleet for fleet in fleets if identity.items() <= fleet.identity.items())
    fleet = next(matching, None)
    if fleet is None:
        raise ArtifactError(f"{folder}: has no trained fleet {cell.fleet} of {unlearned.path}")
    return fleet


def _parameters(results: Path, cell: Cell, job: Mapping, tuned_on: str | None) -> dict[str, Any]:
    """The parameters of the method, those that tuning has chosen included."""
    parameters = dict(job["method"]["parameters"])
    if not job.get("tuned"):
        return parameters
    if tuned_on is None:
        raise ValueError(f"{cell.variant} is tuned: name the request that it was tuned on")
    choice = cell_folder(results, "tuning", cell._replace(request=tuned_on)).parent / "choice.json"
    return parameters | read_json(choice)["parameters"]


def _measured(path: Path) -> Rows:
    """The scores of every member after every step, but for times, memory and flags."""
    rows: dict[tuple[int, int], dict[str, float]] = {}
    for row in csv.DictReader(io.StringIO(read_text(path))):
        metric = METRICS.get(row["metric"])
        if metric is None or metric.is_clocked or metric.is_flag or not row["value"]:
            continue
        values = rows.setdefault((int(row["seed"]), int(row["step"])), {})
        values[f"{row['metric']}/{row['split']}"] = float(row["value"])
    return rows


def _files(results: Path, trained: Path) -> Iterator[Remnant]:
    """The files of a trained fleet, which has seen all points."""
    for name in TRAINED_FILES:
        path = trained / name
        if path.exists():
            place = path.relative_to(results).as_posix()
            yield Remnant(place, file_digest(path), "superseded")
