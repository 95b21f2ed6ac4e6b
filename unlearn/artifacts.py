"""The files between the stages: the only code that knows their formats.

Every writer goes through a temporary file in the same folder and a rename, so that a file is
there whole or not at all. No pickle is read or written.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from unlearn.requests import Request

_BITS = {"BOOL": 8} | {f"{kind}{bits}": bits for kind in "FIU" for bits in (8, 16, 32, 64)}
_UMASK = os.umask(0)
os.umask(_UMASK)


CURE = "delete its folder and start again"


class ArtifactError(Exception):
    """A file that is missing, broken or belongs to something else; the message names it."""


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


def write_json(path: Path, content) -> None:
    """Sorted keys, two spaces, no NaN."""
    with replacing(path) as partial:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """The content of a JSON file; ArtifactError if it is missing or broken."""
    with _reading(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_array(path: Path, array: np.ndarray) -> None:
    """One array as .npy."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """A memory-mapped array, private to the process: parallel jobs share the pages they read."""
    with _reading(path):
        return np.load(path, mmap_mode="c", allow_pickle=False)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Several arrays as .npz, without time stamps."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file."""
    with _reading(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_request(path: Path, request: Request, dataset: str, parameters: Mapping) -> None:
    """The ids of every step, the fingerprint of the data set, the sampler's parameters."""
    arrays = {"dataset": np.array(dataset), "parameters": np.array(json.dumps(dict(parameters)))}
    for index, (out, new) in enumerate(zip(request.deletions, request.additions, strict=True)):
        arrays |= {f"delete_{index}": out, f"add_{index}": new}
    write_arrays(path, arrays)


def read_request(path: Path, dataset: str) -> Request:
    """The request of a file; ArtifactError if it was drawn from another data set."""
    arrays = read_arrays(path)
    if str(arrays["dataset"]) != dataset:
        raise ArtifactError(f"{path}: drawn from another data set; {CURE}")
    steps = range(sum(name.startswith("delete_") for name in arrays))
    return Request([arrays[f"delete_{t}"] for t in steps], [arrays[f"add_{t}"] for t in steps])


def request_digest(request: Request) -> str:
    """A fingerprint of what a request deletes and adds, step by step."""
    return digest(*request.deletions, *request.additions)


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_fleet(path: Path, states: list[Mapping[str, np.ndarray]], identity: Mapping) -> None:
    """The states of a fleet: every tensor stacked along a leading axis K, one entry a model.

    `identity` says what the file was made from, values are text; `Fleet` checks it.
    """
    names = sorted(states[0]) if states else []
    # the file takes the bytes as they lie in memory, so they must lie in row-major order
    stacked = {
        name: np.ascontiguousarray(
            np.stack([state[name] for state in states]) if states[1:] else states[0][name][None]
        )
        for name in names
    }
    stacked = stacked or {"none": np.empty(0)}  # safetensors cannot read back a file of nothing
    with replacing(path) as partial:
        save_file(stacked, partial, metadata=dict(identity))


class Fleet(Mapping):
    """A fleet on disk. `fleet[k]` is the state of model k; tensors are read when asked for."""

    def __init__(self, path: Path, identity: Mapping | None = None):
        """Open `path`. ArtifactError unless its identity agrees with every entry of `identity`."""
        self.path = Path(path)
        with _reading(path):
            self._file = safe_open(self.path, framework="np")
        self.identity = self._file.metadata() or {}
        for key, expected in (identity or {}).items():
            found = self.identity.get(key)
            if found != expected:
                raise ArtifactError(
                    f"{path}: made for another study: {key} is {found}, here {expected}; {CURE}"
                )
        self.names = dict.fromkeys(sorted(self._file.keys()))
        self.read_seconds = 0.0
        """Time spent on reading tensors so far."""

    def __getitem__(self, k: int) -> "State":
        return State(self, k)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return self._file.get_slice(next(iter(self.names))).get_shape()[0] if self.names else 0

    def tensor(self, name: str, *index: int) -> np.ndarray:
        """Tensor `name` of model `index[0]`, or a part of it. KeyError if there is none."""
        if name not in self.names:
            raise KeyError(name)
        start = time.perf_counter()
        with _reading(self.path):
            tensor = np.asarray(self._file.get_slice(name)[index])
        self.read_seconds += time.perf_counter() - start
        return tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of tensor `name` of one model, without reading it. KeyError without one."""
        if name not in self.names:
            raise KeyError(name)
        return tuple(self._file.get_slice(name).get_shape()[1:])

    def nbytes(self, name: str) -> int:
        """The bytes that tensor `name` of one model takes, without reading it."""
        bits = _BITS[self._file.get_slice(name).get_dtype()]
        return math.prod(self.shape(name)) * bits // 8


class State(Mapping):
    """The tensors of one model of a fleet on disk, read lazily, by name."""

    def __init__(self, fleet: Fleet, k: int):
        self.fleet, self._k = fleet, k

    def __getitem__(self, name: str) -> np.ndarray:
        return self.fleet.tensor(name, self._k)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fleet.names)

    def __len__(self) -> int:
        return len(self.fleet.names)

    def nbytes(self, name: str) -> int:
        """The bytes of a tensor, without reading it."""
        return self.fleet.nbytes(name)

    def rows(self, name: str) -> "Rows":
        """A tensor that is read row by row."""
        return Rows(self.fleet, name, self._k)


class Rows:
    """A tensor of one model of a fleet on disk; `rows[i]` reads one row."""

    def __init__(self, fleet: Fleet, name: str, k: int):
        self.shape = fleet.shape(name)
        self._fleet, self._name, self._k = fleet, name, k

    def __getitem__(self, row: int) -> np.ndarray:
        return self._fleet.tensor(self._name, self._k, row)


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over dtype, shape and bytes of the arrays."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return sha.hexdigest()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: there is no such file; {CURE}") from error
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, SafetensorError) as error:
        raise ArtifactError(f"{path}: cannot be read, it is broken; {CURE}: {error}") from error
