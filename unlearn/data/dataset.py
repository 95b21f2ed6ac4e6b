"""A data set as the jobs see it: memory-mapped arrays, the ids in base training, a fingerprint."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlearn.core import seeding
from unlearn.data.splits import stratified
from unlearn.perturbations import limits
from unlearn.requests.request import Request
from unlearn.storage.files import (
    ArtifactError,
    digest,
    read_array,
    read_json,
    write_array,
    write_json,
)

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
    images / levels, by channel or for all. `noise`: what is known of the noise on the images.
    """

    @property
    def base(self) -> np.ndarray:
        """Sorted ids of the points that the original model is trained on."""
        return np.setdiff1d(np.arange(len(self.train_labels)), self.held_out)

    @property
    def noised(self) -> np.ndarray:
        """Sorted ids of the points in base training whose images carry noise."""
        noise = self.description.get("noise")
        share, seed = (noise["share"], noise["seed"]) if noise else (0, 0)
        return noised(self.train_labels, self.base, share, seed)

    def evaluated(self, request: Request | None = None) -> np.ndarray:
        """Sorted ids of the training points that models are evaluated on: the sample and all
        points that the request deletes or adds.
        """
        asked = [] if request is None else [*request.deletions, *request.additions]
        return np.unique(np.concatenate([self.sample, *asked])).astype(np.int64)


def noised(labels: np.ndarray, ids: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The same share of every class among `ids`, sorted.

    Smaller shares of the same seed are contained in larger ones. Between 0 and 1 one point of a
    class at least is left in and one out, where it has two.
    """
    order = seeding.shuffled(ids, seeding.derive(seed, "noised"))
    parts = [order[labels[order] == label] for label in np.unique(labels[ids])]
    counts = [int(share * len(part) + 0.5) for part in parts]
    if 0 < share < 1:
        counts = [min(max(c, 1), len(p) - 1) for c, p in zip(counts, parts, strict=True)]
    parts = [part[:count] for part, count in zip(parts, counts, strict=True)]
    return np.sort(np.concatenate(parts)).astype(np.int64)


def with_noise(data: Dataset, values: np.ndarray, about: dict) -> Dataset:
    """The data set with noise on its training images.

    `values`: int8 like the images, what is added. `about`: its record, with the `share` of the
    points in base training that carry it and the `seed` that they are drawn by.

    ArtifactError for noise that is larger than its record says or leaves the range of pixels.
    """
    about = {key: about[key] for key in about if key not in ("dataset", "sha256")}
    marked = Dataset(*(getattr(data, n) for n in ARRAYS), data.description | {"noise": about})
    images = np.array(data.train_images)
    own = values[marked.noised]
    _check(own, images[marked.noised], about["parameters"]["epsilon"])
    images[marked.noised] += own.view(np.uint8)  # modulo 256 that is addition
    arrays = {name: getattr(data, name) for name in ARRAYS} | {"train_images": images}
    description = marked.description | {"sha256": digest(*arrays.values())}
    return Dataset(**arrays, description=description)


def _check(values: np.ndarray, images: np.ndarray, epsilon: float) -> None:
    largest = np.abs(values.astype(np.int16)).max(initial=0)
    allowed = limits.whole(epsilon * limits.LEVELS)
    if largest > allowed:
        raise ArtifactError(f"noise of {largest} of 255; its epsilon allows {allowed}")
    sums = values.astype(np.int16) + images
    if sums.min(initial=0) < 0 or sums.max(initial=0) > limits.LEVELS:
        raise ArtifactError("noise that takes pixels out of 0..255")


def build(
    kind: str,
    folder: Path,
    *,
    subset: int | None,
    subset_seed: int,
    held_out: float,
    held_out_seed: int,
    retain_sample: int | None,
    test_subset: int | None,
    pixels: str,
) -> Dataset:
    """Load a registered data set and take the asked subsets of its training and test points."""
    module = importlib.import_module(f"unlearn.data.{kind}")
    train_images, train_labels, test_images, test_labels = module.load(folder)
    if subset is not None:
        ids = stratified(train_labels, subset, subset_seed)
        train_images, train_labels = train_images[ids], train_labels[ids]
    if test_subset is not None:
        ids = stratified(test_labels, test_subset, subset_seed)
        test_images, test_labels = test_images[ids], test_labels[ids]
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
        "sha256": digest(*arrays),
    }
    return Dataset(*arrays, description)


def save(dataset: Dataset, folder: Path) -> None:
    """Write the arrays, then `dataset.json`."""
    for name in ARRAYS:
        write_array(Path(folder) / f"{name}.npy", getattr(dataset, name))
    write_json(Path(folder) / "dataset.json", dataset.description)


def load(folder: Path) -> Dataset:
    """Open a saved data set; the arrays are memory-mapped. ArtifactError if a file is broken."""
    description = read_json(Path(folder) / "dataset.json")
    arrays = [read_array(Path(folder) / f"{name}.npy") for name in ARRAYS]
    return Dataset(*arrays, description)
