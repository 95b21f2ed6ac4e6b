"""The files between the stages: the only code that knows their formats.

Every writer goes through a temporary file in the same folder and a rename, so that a file is
there whole or not at all. No pickle is read or written.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError

from unlearn.storage import records

_UMASK = os.umask(0)
os.umask(_UMASK)

MAX_ID = np.iinfo(np.int64).max

CURE = "delete its folder and start again"
"""The advice of errors about the artefacts of a folder."""

FILE_CURE = "delete this file and start again"
"""The advice of errors about files that share a folder with other artefacts."""


class ArtifactError(Exception):
    """A file that is missing, broken or belongs to something else; the message names it."""


class UserFileError(ValueError):
    """A file of the user's that is missing or is not what it should be; the message names it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends without an error."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_UMASK)  # safetensors makes files that only their owner can read
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArtifactError(f"{path}: cannot be written, is there space left? {reason}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON: sorted keys, indented by two spaces, no NaN."""
    with replacing(path) as partial:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """The content of a JSON file; ArtifactError if it is missing or broken."""
    text = read_text(path)
    with reading(path):
        return json.loads(text)


def write_costs(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with a digest of itself: costs differ from run to run, so no record has theirs."""
    write_json(path, {**content, "sha256": _content_digest(content)})


def read_costs(path: Path) -> dict:
    """The content of a file of `write_costs`; ArtifactError if it is missing or was changed."""
    content = read_json(path)
    if content.pop("sha256", None) != _content_digest(content):
        raise ArtifactError(f"{path}: it is not the file that was written; {CURE}")
    return content


def _content_digest(content: Mapping[str, Any]) -> str:
    parsed = json.loads(json.dumps(content))  # as it will be read: keys are text
    return hashlib.sha256(json.dumps(parsed, sort_keys=True).encode()).hexdigest()


def read_text(path: Path) -> str:
    """The content of a text file of a job; ArtifactError if it is missing or broken."""
    with opening(path):
        return Path(path).read_text(encoding="utf-8")


def check_unchanged(path: Path) -> None:
    """Raise ArtifactError for a file that is missing, or is not what its record says."""
    with opening(path):
        Path(path).stat()


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """A memory-mapped array, private to the process: parallel jobs share the pages they read."""
    with opening(path):
        return np.load(path, mmap_mode="c", allow_pickle=False)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write several arrays as .npz, without time stamps."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)


def write_compressed_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write several arrays as a compressed .npz, without time stamps."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file."""
    with opening(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_ids(path: Path) -> np.ndarray:
    """The ids of a text file of the user's, one whole number a line; empty lines do not count.

    ValueError names the file, and the line that is no id.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ValueError(f"{path}: cannot be read: {reason}") from error
    ids = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if not (text.isascii() and text.isdecimal() and int(text) <= MAX_ID):
            raise ValueError(f"{path}, line {number}: {line!r} is no id; allowed: 0, 1, 2, ...")
        ids.append(int(text))
    return np.array(ids, dtype=np.int64)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_compressed_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, compressed by gzip: without name and time, the same in every run."""
    content = gzip.compress(text.encode("utf-8"), mtime=0)
    with replacing(path) as partial:
        partial.write_bytes(content)


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over dtype, shape and bytes of the arrays."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return sha.hexdigest()


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """A block that opens an artefact; ArtifactError also for one that its record does not know."""
    with reading(path):
        damage = records.damage(path)
        if damage is None:
            yield
            return
    cure = CURE if records.path_of(Path(path)).name == records.FILE_NAME else FILE_CURE
    raise ArtifactError(f"{path}: {damage}; {cure}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """A block that reads `path`; ArtifactError names a file that is missing or broken."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: there is no such file; {CURE}") from error
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, SafetensorError) as error:
        raise ArtifactError(f"{path}: cannot be read, it is broken; {CURE}: {error}") from error
