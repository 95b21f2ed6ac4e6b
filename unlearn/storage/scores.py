"""Predictions of scoring models, and the scores of points, on disk."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from unlearn.requests.scoring import PointScores
from unlearn.storage.files import CURE, ArtifactError, read_arrays, write_arrays

PREDICTIONS = ("ids", "is_member", "is_correct", "losses")
"""The arrays of the predictions of K models for N points: see `requests.scoring.point_scores`."""


def write_predictions(path: Path, predictions: dict[str, np.ndarray], dataset: str) -> None:
    """Write the predictions of scoring models; `dataset` is the fingerprint of the data set."""
    arrays = {name: predictions[name] for name in PREDICTIONS}
    write_arrays(path, arrays | {"dataset": np.array(dataset)})


def read_predictions(path: Path, dataset: str) -> dict[str, np.ndarray]:
    """The predictions of a file; ArtifactError if they are of another data set."""
    arrays = _read(path, dataset)
    return {name: arrays[name] for name in PREDICTIONS}


def write_scores(path: Path, scores: PointScores, dataset: str) -> None:
    """Write the scores of points; `dataset` is the fingerprint of the data set."""
    write_arrays(path, vars(scores) | {"dataset": np.array(dataset)})


def read_scores(path: Path, dataset: str) -> PointScores:
    """The scores of a file; ArtifactError if they are of another data set."""
    arrays = _read(path, dataset)
    return PointScores(**{field.name: arrays[field.name] for field in fields(PointScores)})


def _read(path: Path, dataset: str) -> dict[str, np.ndarray]:
    arrays = read_arrays(path)
    if str(arrays["dataset"]) != dataset:
        raise ArtifactError(f"{path}: made for another data set; {CURE}")
    return arrays
