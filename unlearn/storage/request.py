"""Requests on disk."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unlearn.requests.request import Request
from unlearn.storage.files import CURE, ArtifactError, digest, read_arrays, write_arrays


def write_request(
    path: Path, request: Request, dataset: str, parameters: Mapping, twins: int = 0
) -> None:
    """Write a request.

    Args:
        path: The file.
        request: The ids of every step.
        dataset: The fingerprint of the data set.
        parameters: Those of the sampler, as a record.
        twins: The number of deleted points with a near-duplicate left.
    """
    arrays = {"twins": np.array(twins), "dataset": np.array(dataset)}
    arrays |= {"parameters": np.array(json.dumps(dict(parameters)))}
    for index, (deleted_ids, added_ids) in enumerate(
        zip(request.deletions, request.additions, strict=True)
    ):
        arrays |= {f"delete_{index}": deleted_ids, f"add_{index}": added_ids}
    write_arrays(path, arrays)


def read_request(path: Path, dataset: str) -> Request:
    """The request of a file; ArtifactError if it was drawn from another data set."""
    arrays = read_arrays(path)
    if str(arrays["dataset"]) != dataset:
        raise ArtifactError(f"{path}: drawn from another data set; {CURE}")
    steps = range(sum(name.startswith("delete_") for name in arrays))
    return Request([arrays[f"delete_{t}"] for t in steps], [arrays[f"add_{t}"] for t in steps])


def read_twins(path: Path) -> int:
    """The number of points that a request deletes whose near-duplicates are left."""
    return int(read_arrays(path)["twins"])


def request_digest(request: Request) -> str:
    """A fingerprint of what a request deletes and adds, step by step."""
    return digest(*request.deletions, *request.additions)
