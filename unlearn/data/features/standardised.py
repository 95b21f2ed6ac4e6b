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
    train_parts, validation_parts, test_parts = zip(*parts, strict=True)
    featured = replace(
        dataset,
        train_images=np.concatenate(train_parts, axis=1)[:, None, None],
        validation_images=np.concatenate(validation_parts, axis=1)[:, None, None],
        test_images=np.concatenate(test_parts, axis=1)[:, None, None],
    )
    description = dataset.description | {
        "mean": (0.0,),
        "std": (1.0,),
        "levels": 1,
        "sha256": digest(*featured.arrays().values()),
    }
    return replace(featured, description=description)


def _scaled_features(dataset: Dataset, kind: Features) -> list[np.ndarray]:
    """Features of the training, the validation and the test images."""
    splits = (dataset.train_images, dataset.validation_images, dataset.test_images)
    features = [kind.extract(images) for images in splits]
    if kind.standardise:
        public = features[0][dataset.held_out_ids].astype(np.float64)
        mean = public.mean(0)
        deviation = np.maximum(public.std(0), MIN_DEVIATION)
        features = [((split - mean) / deviation).astype(np.float32) for split in features]
    root = np.float32(np.sqrt(features[0].shape[1]))
    return [split / root for split in features]
