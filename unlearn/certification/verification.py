"""A certificate held against what it is about: the first thing that differs is named."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from unlearn.certificates.record import Certificate, check
from unlearn.certification.artefacts import read_subject
from unlearn.certification.document import document
from unlearn.certification.layout import FOLDER, cell_of
from unlearn.certification.subject import CertificateSubject
from unlearn.storage.files import ArtifactError, read_json
from unlearn.study import schema
from unlearn.study.grid import Cell


class Check(NamedTuple):
    """The result of one check."""

    name: str
    problem: str | None
    """What differs, with both values; None where nothing does."""


class StatedDifference(NamedTuple):
    """Where two JSON values differ, and how."""

    path: str
    stated: Any
    actual: Any

    def __str__(self) -> str:
        stated = json.dumps(self.stated)
        actual = json.dumps(self.actual)
        return f"{self.path}: {stated} is stated; the artefacts give {actual}"


def checks_of_subject(
    certificate: Mapping[str, Any], subject: CertificateSubject
) -> Iterator[Check]:
    """Checks of a certificate of the right form against what it is about, in a fixed order.

    Args:
        certificate: the parsed JSON.
        subject: what the artefacts, or the models of a notebook, are.
    """
    try:
        # as a file has it: lists, keys that are text
        expected = json.loads(json.dumps(document(subject)))
    except ValueError as error:
        yield Check("claims of the artefacts", str(error))
        return
    for name in ("cell", "dataset", "request_sha256", "method", "training", "gates"):
        yield Check(name, _difference(name, certificate[name], expected[name]))
    stated_entries = certificate["entries"]
    counts = len(stated_entries), len(expected["entries"])
    yield Check("number of entries", _difference("number of entries", *counts))
    for stated, actual in zip(stated_entries, expected["entries"], strict=False):
        label = f"seed {actual['seed']}, step {actual['step']}"
        for name, value in actual.items():
            yield Check(f"{label}: {name}", _difference(name, stated[name], value))
    for name in ("remnants", "valid_until", "void_after", "covered", "not_covered"):
        yield Check(name, _difference(name, certificate[name], expected[name]))


def checks_of_text(certificate: Any) -> Iterator[Check]:
    """Checks that need no artefact: the form, and epsilon recomputed from every record."""
    try:
        schema.check(certificate, schema.certificate_schema())
    except schema.InvalidError as error:
        yield Check("form", ": ".join(filter(None, (error.path, str(error)))))
        return
    yield Check("form", None)
    for entry in certificate["entries"]:
        record = entry["promise"]["record"]
        if record is not None:
            label = f"seed {entry['seed']}, step {entry['step']}: epsilon from the record"
            yield Check(label, _record_problem(record))


def checks_of_file(path: Path, results: Path | None = None) -> Iterator[Check]:
    """Checks of a file.

    Args:
        path: the certificate.
        results: the folder of the study's results; None takes the one that the file lies in.

    Raises:
        ArtifactError: the certificate cannot be read.
        ValueError: `results` is None and the file lies in no results.
    """
    certificate = read_json(path)
    for result in checks_of_text(certificate):
        yield result
        if result.problem:
            return
    if certificate["cell"] is None:
        yield Check("cell", "it is of a model of a notebook; verify it by api.verify there")
        return
    cell = Cell(**certificate["cell"])
    if FOLDER in Path(path).resolve().parts[: -len(Cell._fields) - 1][-1:]:
        place, folder_cell = cell_of(path)
        results = results or place
        yield Check("folder", _difference("cell", cell._asdict(), folder_cell._asdict()))
    if results is None:
        raise ValueError(f"{path}: lies in no results; name them by --results")
    try:
        subject = read_subject(Path(results), cell, certificate["method"]["tuned_on"])
    except (ArtifactError, ValueError) as error:
        yield Check("artefacts", str(error))
        return
    yield Check("artefacts", None)
    yield from checks_of_subject(certificate, subject)


def _record_problem(record: Mapping[str, Any]) -> str | None:
    """Why the claims of a record do not follow from it."""
    try:
        check(Certificate.from_json(json.dumps(record)))
    except ValueError as error:
        return str(error)
    return None


def _difference(path: str, stated: Any, actual: Any) -> str | None:
    """The first place where two JSON values differ, as text; None where they are equal."""
    difference = next(_differences(path, stated, actual), None)
    return None if difference is None else str(difference)


def _differences(path: str, stated: Any, actual: Any) -> Iterator[StatedDifference]:
    """All places where two JSON values differ, in the order of keys."""
    if isinstance(stated, Mapping) and isinstance(actual, Mapping):
        for key in sorted({*stated, *actual}):
            yield from _differences(f"{path}.{key}", stated.get(key), actual.get(key))
    elif isinstance(stated, list) and isinstance(actual, list) and len(stated) == len(actual):
        for index, pair in enumerate(zip(stated, actual, strict=True)):
            yield from _differences(f"{path}[{index}]", *pair)
    elif stated != actual or type(stated) is not type(actual):
        yield StatedDifference(path, stated, actual)
