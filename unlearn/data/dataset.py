"""A data set as the jobs see it: memory-mapped arrays, the ids in base training, a fingerprint."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unlearn.core import seeding
from unlearn.data.checks import check_loaded
from unlearn.data.source import LEVELS, DataSource
from unlearn.data.splits import kept_points, stratified, stratified_share
from unlearn.requests.request import Request
from unlearn.storage.files import digest, read_array, read_json, write_array, write_json

if TYPE_CHECKING:
    from unlearn.requests.scoring import PointScores

ARRAYS = (
    "train_images",
    "train_labels",
    "validation_images",
    "validation_labels",
    "test_images",
    "test_labels",
    "source_ids",
    "held_out_ids",
    "sample_ids",
)
"""The arrays of a data set; each is a file of its name."""

VALIDATION_SEED = seeding.derive(0, "validation")
"""The draw of the validation split: the same for every study."""


@dataclass(frozen=True)
class Dataset:
    """Images uint8 N x H x W x C, labels int64 N; ids are positions in the training arrays.

    Features of images come in their place, float32 N x 1 x 1 x F.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    """Nobody trains on them; methods may choose by them, and audits compare by them."""
    validation_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source_ids: np.ndarray
    """The place of every training point in the training arrays of the source."""
    held_out_ids: np.ndarray
    """Sorted ids of the training points kept out of base training."""
    sample_ids: np.ndarray
    """Sorted ids of the training points, drawn at random, that every model is evaluated on."""
    description: dict
    """name, classes, sha256 of all arrays, and how models see images: mean and std of
    images / levels, by channel or for all. `noise`: the record of the noise on the images.
    `squeeze`: kind and parameters of the squeeze of training images, versions of libraries.
    `swap`: classes, ids and true labels of the points whose labels were exchanged.
    """
    scores: "PointScores | None" = None
    """The scores of the points in base training, for samplers that read them; no file has them."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all arrays."""
        return self.description["sha256"]

    @property
    def base_ids(self) -> np.ndarray:
        """Sorted ids of the points that the original model is trained on."""
        return np.setdiff1d(np.arange(len(self.train_labels)), self.held_out_ids)

    @property
    def noised_ids(self) -> np.ndarray:
        """Sorted ids of the points in base training whose images carry noise."""
        noise = self.description.get("noise") or {"share": 0, "seed": 0}
        return stratified_share(self.train_labels, self.base_ids, noise["share"], noise["seed"])

    @property
    def swapped_ids(self) -> np.ndarray:
        """Sorted ids of the points in base training whose labels were exchanged."""
        swap = self.description.get("swap") or {"ids": []}
        return np.array(swap["ids"], dtype=np.int64)

    @property
    def swapped_classes(self) -> tuple[int, int] | None:
        """The two classes between which labels were exchanged; None where all are true."""
        swap = self.description.get("swap")
        return tuple(swap["classes"]) if swap else None

    def ids_of_source(self, source_ids: np.ndarray) -> np.ndarray:
        """The ids of training points that are at these places in the source, in their order.

        Raises ValueError for a place whose point is not trained on: it is in the validation split,
        or `subset` does not keep it.
        """
        source_ids = np.asarray(source_ids, dtype=np.int64)
        ids = np.searchsorted(self.source_ids, source_ids)
        ids = np.minimum(ids, len(self.source_ids) - 1)
        absent = source_ids[self.source_ids[ids] != source_ids]
        if len(absent):
            raise ValueError(
                f"point {absent[0]} of the source is not among the training points: it is in the "
                "validation split, or `subset` or `labels` leave it out"
            )
        return ids

    def evaluated_ids(self, request: Request | None = None) -> np.ndarray:
        """Sorted ids of the training points that models are evaluated on.

        They are the sample and all points that the request deletes or adds.
        """
        changes = [] if request is None else [*request.deletions, *request.additions]
        return np.unique(np.concatenate([self.sample_ids, *changes])).astype(np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in ARRAYS}


def build(source: DataSource, name: str, folder: Path) -> Dataset:
    """Load a source, called `name`, and take the subsets of its points that its options ask for.

    Raises `download.DataError` if the data cannot be had, and ValueError if they are not what the
    source declares; the message names the data set and the array.
    """
    arrays = source.load(folder)
    try:
        train_images, train_labels, test_images, test_labels = check_loaded(source, arrays)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    source_ids = np.arange(len(train_labels))
    if source.labels is not None:
        source_ids, train_labels = kept_points(train_labels, source.labels)
        train_images = train_images[source_ids]
        test_ids, test_labels = kept_points(test_labels, source.labels)
        test_images = test_images[test_ids]
    validation_ids = stratified(train_labels, source.validation_size, VALIDATION_SEED)
    validation_images = train_images[validation_ids]
    validation_labels = train_labels[validation_ids]
    ids = np.setdiff1d(np.arange(len(train_labels)), validation_ids)
    source_ids = source_ids[ids]
    train_images = train_images[ids]
    train_labels = train_labels[ids]
    if source.subset is not None:
        ids = stratified(train_labels, source.subset, source.subset_seed)
        source_ids = source_ids[ids]
        train_images = train_images[ids]
        train_labels = train_labels[ids]
    if source.test_subset is not None:
        ids = stratified(test_labels, source.test_subset, source.subset_seed)
        test_images = test_images[ids]
        test_labels = test_labels[ids]
    train_ids = np.arange(len(train_labels))
    seed = source.held_out_seed
    held_out_order = seeding.shuffled(train_ids, seeding.derive(seed, "held out"))
    sample_order = seeding.shuffled(train_ids, seeding.derive(seed, "sample"))
    held_out_ids = np.sort(held_out_order[: round(source.held_out * len(train_ids))])
    sample_ids = np.sort(sample_order[: source.retain_sample])
    arrays = (
        train_images,
        train_labels,
        validation_images,
        validation_labels,
        test_images,
        test_labels,
        source_ids,
        held_out_ids,
        sample_ids,
    )
    mean, std = source.normalisation()
    description = {
        "name": name,
        "classes": source.kept_facts().classes,
        "mean": mean,
        "std": std,
        "levels": LEVELS,
        "train_points": len(train_labels),
        "validation_points": len(validation_labels),
        "test_points": len(test_labels),
        "held_out_points": len(held_out_ids),
        "sha256": digest(*arrays),
    }
    return Dataset(*arrays, description)


def save(dataset: Dataset, folder: Path) -> None:
    """Write the arrays, then `dataset.json`."""
    for name, array in dataset.arrays().items():
        write_array(Path(folder) / f"{name}.npy", array)
    write_json(Path(folder) / "dataset.json", dataset.description)


def load(folder: Path) -> Dataset:
    """Open a saved data set; the arrays are memory-mapped. ArtifactError if a file is broken."""
    description = read_json(Path(folder) / "dataset.json")
    arrays = [read_array(Path(folder) / f"{name}.npy") for name in ARRAYS]
    return Dataset(*arrays, description)
