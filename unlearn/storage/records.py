"""Records of jobs: beside every artefact lies what it was made from, and a digest of every file.

The record of a folder is its `record.json`. Where several artefacts share a folder, the record of
`tables/accuracy.csv` is `tables/records/accuracy.json`. Every reader of `unlearn.storage` checks
the digest of a file when it opens it; a file without a record is one that no job has made.
"""

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "record.json"
FOLDER_NAME = "records"

STALE_SHIFT_NS = 10**18
"""A record of another study is dated back by this time, 31.7 years."""

STALE_LIMIT_NS = 10**18
"""A record with an earlier time, before September 2001, has been dated back."""


@dataclass(frozen=True)
class Origin:
    """What a job makes its files from, input files apart."""

    parameters: Mapping[str, Any]
    """The arguments that the plan decides, as JSON."""
    code: tuple[str, ...]
    """`module@digest` for every module that the job imports."""

    @classmethod
    def of_arguments(cls, arguments: Mapping[str, Any], code: Iterable[str]) -> "Origin":
        """The origin that arguments of a command line tell; those that are JSON are parsed."""
        return cls({name: _parsed(value) for name, value in arguments.items()}, tuple(code))


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return [str(part) for part in value] if isinstance(value, list | tuple) else str(value)
    try:
        return json.loads(value)
    except ValueError:
        return value


def path_of(file: Path) -> Path:
    """Where the record of an artefact's file lies, or would lie."""
    shared = file.parent / FOLDER_NAME / f"{file.stem}.json"
    return shared if shared.exists() else file.parent / FILE_NAME


def content(origin: Origin, files: Iterable[Path]) -> dict[str, Any]:
    """The record of files that were made from an origin."""
    return {
        "parameters": dict(origin.parameters),
        "code": list(origin.code),
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in files
        },
    }


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The digest of a file's bytes, in hexadecimal; the algorithm by its name in hashlib."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def damage(file: Path) -> str | None:
    """How a file differs from what its record says; None if it agrees or has no record.

    A process reads a file for that once.
    """
    file = Path(file)
    record_path = path_of(file)
    if file == record_path or not record_path.exists() or not file.exists():
        return None
    return _damage(file, record_path, file.stat().st_mtime_ns)


@functools.cache
def _damage(file: Path, record_path: Path, time_ns: int) -> str | None:
    expected = _read(record_path)["files"].get(file.name)
    if expected is None:
        return None
    size = _size(file)
    if size != expected["bytes"]:
        return f"it has {size} bytes, its record {record_path} says {expected['bytes']}"
    if file_digest(file) != expected["sha256"]:
        return f"it is not the file that its record {record_path} describes"
    return None


def compare(record_path: Path, origin: Origin) -> None:
    """Date a record back unless its artefact is what the study asks for; its job then runs again.

    Snakemake knows what a file was made from by its own notes alone, in `.snakemake`. Where they
    are lost, or the results were moved, it goes by the times of files. A record gets its time
    again when the study agrees with it again. The record of files that are missing or have
    another size is removed.
    """
    if record_path.is_symlink():  # a cache that others share owns the file
        return
    if not _is_whole(record_path):
        record_path.unlink()
        return
    time_ns = record_path.stat().st_mtime_ns
    is_stale = time_ns < STALE_LIMIT_NS
    if _agrees(record_path, origin) == is_stale:
        time_ns += STALE_SHIFT_NS if is_stale else -STALE_SHIFT_NS
        os.utime(record_path, ns=(time_ns, time_ns))


def write_limit(path: Path) -> None:
    """Write the file that stale records are older than, an input for jobs that have no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, ns=(STALE_LIMIT_NS, STALE_LIMIT_NS))


def _agrees(record_path: Path, origin: Origin) -> bool:
    record = _read(record_path)
    return record["parameters"] == origin.parameters and record["code"] == list(origin.code)


def _is_whole(record_path: Path) -> bool:
    """Whether a record can be read and its files have their sizes."""
    try:
        files = _read(record_path)["files"]
        folder = record_path.parent
        if folder.name == FOLDER_NAME:
            folder = folder.parent
        return all(_size(folder / name) == file["bytes"] for name, file in files.items())
    except (ValueError, TypeError, KeyError):
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _read(path: Path) -> dict[str, Any]:
    """A record. ValueError if it is broken."""
    record = json.loads(path.read_text(encoding="utf-8"))
    if set(record) != {"parameters", "code", "files"}:
        raise ValueError(f"{path}: is no record of a job")
    return record
