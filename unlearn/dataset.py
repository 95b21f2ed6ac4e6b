"""A data set as the jobs see it: memory-mapped arrays, the ids in base training, a fingerprint."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlearn import artifacts, seeding
from unlearn.data._splitting import stratified
from unlearn.requests import Request

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels", "held_out", "sample")


@dataclass(frozen=True)
class Dataset:
    """Images uint8 N x H x W x C, labels int64 N; ids are positions in the training arrays.

    Features of images come in their place, float32 N x 1 x 1 x F.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    held_out: np.ndarray
    """Sorted ids of the training points kept out of base training."""
    sample: np.ndarray
    """Sorted ids of the training points, drawn at random, that every model is evaluated on."""
    description: dict
    """name, classes, sha256 of all arrays, and how models see images: mean and std of
    images / levels, by channel or for all.
    """

    @property
    def base(self) -> np.ndarray:
        """Sorted ids of the points that the original model is trained on."""
        return np.setdiff1d(np.arange(len(self.train_labels)), self.held_out)

    def evaluated(self, request: Request | None = None) -> np.ndarray:
        """Sorted ids of the training points that models are evaluated on: the sample and all
        points that the request deletes or adds.
        """
        asked = [] if request is None else [*request.deletions, *request.additions]
        return np.unique(np.concatenate([self.sample, *asked])).astype(np.int64)


def build(
    kind: str,
    folder: Path,
    *,
    subset: int | None,
    subset_seed: int,
    held_out: float,
    held_out_seed: int,
    retain_sample: int | None,
    pixels: str = "standardised",
) -> Dataset:
    """Load a registered data set and take the asked subset of its training points."""
    module = importlib.import_module(f"unlearn.data.{kind}")
    train_images, train_labels, test_images, test_labels = module.load(folder)
    if subset is not None:
        ids = stratified(train_labels, subset, subset_seed)
        train_images, train_labels = train_images[ids], train_labels[ids]
    everyone = np.arange(len(train_labels))
    order = seeding.shuffled(everyone, seeding.derive(held_out_seed, "held out"))
    outside = np.sort(order[: round(held_out * len(everyone))])
    drawn = seeding.shuffled(everyone, seeding.derive(held_out_seed, "sample"))
    sample = np.sort(drawn[:retain_sample])
    arrays = (train_images, train_labels, test_images, test_labels, outside, sample)
    constants = {
        "standardised": (module.MEAN, module.STD),
        "unit": ((0.0,), (1.0,)),
        "symmetric": ((0.5,), (0.5,)),
    }[pixels]
    description = {
        "name": kind,
        "classes": module.CLASSES,
        "mean": constants[0],
        "std": constants[1],
        "levels": 255,
        "train_points": len(train_labels),
        "test_points": len(test_labels),
        "held_out_points": len(outside),
        "sha256": artifacts.digest(*arrays),
    }
    return Dataset(*arrays, description)


def save(dataset: Dataset, folder: Path) -> None:
    """Write the arrays, then `dataset.json`."""
    for name in ARRAYS:
        artifacts.write_array(Path(folder) / f"{name}.npy", getattr(dataset, name))
    artifacts.write_json(Path(folder) / "dataset.json", dataset.description)


def load(folder: Path) -> Dataset:
    """Open a saved data set; the arrays are memory-mapped. ArtifactError if a file is broken."""
    description = artifacts.read_json(Path(folder) / "dataset.json")
    arrays = [artifacts.read_array(Path(folder) / f"{name}.npy") for name in ARRAYS]
    return Dataset(*arrays, description)
