"""Data sets for a notebook: registered ones, and your own arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.core import registry
from unlearn.data.checks import checked
from unlearn.data.dataset import Dataset, build
from unlearn.data.source import DataSource, RawData, SourceFacts


class UserArrays(DataSource):
    """A data set that is in memory already: `from_arrays` hands it over, nothing loads it."""

    mean = (0.0,)
    std = (1.0,)


def load_dataset(name: str, folder: str | Path = "data", **options: Any) -> Dataset:
    """A registered data set: `digits`, `mnist`, `cifar10`, `arrays`, `image_folder`.

    Args:
        name: Its registered name.
        folder: Where raw data lie; what is missing is downloaded there.
        **options: Fields of its source, such as `subset=1000`.

    Raises:
        KeyError: An unknown name.
        ValueError: An option that is not allowed.
        unlearn.data.download.DataError: The data cannot be had.
    """
    return build(registry.find("data", name)(**options), name, Path(folder))


def from_arrays(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    **options: Any,
) -> Dataset:
    """A data set of your own arrays.

    Args:
        train_images: uint8 N x H x W or N x H x W x C.
        train_labels: N whole numbers from 0.
        test_images: As for training.
        test_labels: As for training.
        mean: Of pixels in 0..1, by channel: what your network's images are normalised with.
        std: Likewise; by default networks see pixels in 0..1.
        **options: Fields of a data source, such as `validation=500`.

    Raises:
        ValueError: Arrays that make no data set; the message names the array and what is allowed.
    """
    arrays = (train_images, train_labels, test_images, test_labels)
    data = checked(*map(np.asarray, arrays))
    source = _in_memory(data, tuple(mean), tuple(std))(**options)
    return build(source, "arrays", Path())


def _in_memory(data: RawData, mean: tuple[float, ...], std: tuple[float, ...]) -> type[DataSource]:
    """A source of arrays that are in memory."""
    shape = data.train_images.shape[1:]
    counts = (len(data.train_labels), len(data.test_labels))
    source_facts = SourceFacts(int(data.train_labels.max()) + 1, shape, *counts)
    attributes = {
        "__doc__": UserArrays.__doc__,
        "mean": mean,
        "std": std,
        "facts": lambda self: source_facts,
        "load": lambda self, folder: data,
    }
    return type("UserArrays", (UserArrays,), attributes)
