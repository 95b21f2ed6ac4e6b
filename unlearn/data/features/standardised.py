"""A data set with features in place of its images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.data.features.base import Features
from unlearn.storage.files import digest

MIN_DEVIATION = 1e-6
"""The least standard deviation that features are divided by."""


def with_features(dataset: Dataset, kinds: Sequence[Features]) -> Dataset:
    """The data set with float32 features N x 1 x 1 x F in place of its images.

    The features of every kind are divided by the root of their number, so that none outweighs
    the others and the stable learning rate does not depend on how many there are.
    """
    parts = [_scaled_features(dataset, kind) for kind in kinds]
    train_parts, test_parts = zip(*parts, strict=True)
    featured = replace(
        dataset,
        train_images=np.concatenate(train_parts, axis=1)[:, None, None],
        test_images=np.concatenate(test_parts, axis=1)[:, None, None],
    )
    description = dataset.description | {
        "mean": (0.0,),
        "std": (1.0,),
        "levels": 1,
        "sha256": digest(*featured.arrays().values()),
    }
    return replace(featured, description=description)


def _scaled_features(dataset: Dataset, kind: Features) -> tuple[np.ndarray, np.ndarray]:
    """Features of the training and of the test images."""
    train = kind.extract(dataset.train_images)
    test = kind.extract(dataset.test_images)
    if kind.standardise:
        public = train[dataset.held_out_ids].astype(np.float64)
        mean = public.mean(0)
        deviation = np.maximum(public.std(0), MIN_DEVIATION)
        train = ((train - mean) / deviation).astype(np.float32)
        test = ((test - mean) / deviation).astype(np.float32)
    root = np.float32(np.sqrt(train.shape[1]))
    return train / root, test / root
