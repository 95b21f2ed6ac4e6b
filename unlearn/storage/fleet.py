"""Fleets on disk: every tensor stacked along a leading axis, one entry a model, read lazily."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from unlearn.storage.files import CURE, ArtifactError, opening, reading, replacing

METADATA_KEY = "identity"

_BITS_BY_TYPE = {"BOOL": 8} | {f"{kind}{bits}": bits for kind in "FIU" for bits in (8, 16, 32, 64)}


def write_fleet(path: Path, states: list[Mapping[str, np.ndarray]], identity: Mapping) -> None:
    """Write the states of a fleet: every tensor stacked along a leading axis K, one entry a model.

    `identity` has the origin of the file, as text by name; `Fleet` checks it.
    """
    names = sorted(states[0]) if states else []
    # the file takes the bytes as they lie in memory, so they must lie in row-major order
    tensors = {
        name: np.ascontiguousarray(
            np.stack([state[name] for state in states]) if states[1:] else states[0][name][None]
        )
        for name in names
    }
    tensors = tensors or {"none": np.empty(0)}  # safetensors cannot read back a file of nothing
    with replacing(path) as partial:
        # several entries would be written in an order that differs from run to run
        save_file(tensors, partial, metadata={METADATA_KEY: json.dumps(dict(identity))})


def state_digest(tensors: Mapping[str, np.ndarray]) -> str | None:
    """SHA-256 over name, dtype, shape and bytes of tensors, by name; None without tensors."""
    if not tensors:
        return None
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        sha.update(f"{name}\n{tensor.dtype.str}{tensor.shape}\n".encode())
        sha.update(tensor.data.cast("B") if tensor.size else b"")
    return sha.hexdigest()


class Fleet(Mapping):
    """A fleet on disk. `fleet[k]` is the state of model k; tensors are read when asked for."""

    def __init__(self, path: Path, identity: Mapping | None = None):
        """Open `path`. ArtifactError unless its identity agrees with every entry of `identity`."""
        self.path = Path(path)
        with opening(path):
            self._file = safe_open(self.path, framework="np")
            metadata = self._file.metadata() or {}
            self.identity = json.loads(metadata.get(METADATA_KEY, "{}"))
        for key, expected in (identity or {}).items():
            actual = self.identity.get(key)
            if actual != expected:
                raise ArtifactError(
                    f"{path}: made for another study: {key} is {actual}, here {expected}; {CURE}"
                )
        self.names = dict.fromkeys(sorted(self._file.keys()))
        self.read_seconds = 0.0
        """Time spent on reading tensors so far."""

    def __getitem__(self, k: int) -> "StoredState":
        return StoredState(self, k)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return self._file.get_slice(next(iter(self.names))).get_shape()[0] if self.names else 0

    def tensor(self, name: str, *index: int) -> np.ndarray:
        """Tensor `name` of model `index[0]`, or a part of it. KeyError if there is none."""
        if name not in self.names:
            raise KeyError(name)
        start = time.perf_counter()
        with reading(self.path):
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
        bits = _BITS_BY_TYPE[self._file.get_slice(name).get_dtype()]
        return math.prod(self.shape(name)) * bits // 8


class StoredState(Mapping):
    """The tensors of one model of a fleet on disk, read lazily, by name."""

    def __init__(self, fleet: Fleet, k: int):
        self.fleet = fleet
        self._k = k

    def __getitem__(self, name: str) -> np.ndarray:
        return self.fleet.tensor(name, self._k)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fleet.names)

    def __len__(self) -> int:
        return len(self.fleet.names)

    def nbytes(self, name: str) -> int:
        """The bytes of a tensor, without reading it."""
        return self.fleet.nbytes(name)

    def rows(self, name: str) -> "StoredRows":
        """A tensor that is read row by row."""
        return StoredRows(self.fleet, name, self._k)


class StoredRows:
    """A tensor of one model of a fleet on disk; `rows[i]` reads one row."""

    def __init__(self, fleet: Fleet, name: str, k: int):
        self.shape = fleet.shape(name)
        self._fleet = fleet
        self._name = name
        self._k = k

    def __getitem__(self, row: int) -> np.ndarray:
        return self._fleet.tensor(self._name, self._k, row)
