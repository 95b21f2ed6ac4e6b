"""Features of images that do not depend on the training set, one file each.

A network that was trained on the points that are to be forgotten would remember them, whatever
becomes of the classifier above it. A feature module has `size(shape)`, the number of features of an
image H x W x C; `extract(images)`, uint8 N x H x W x C to float32 N x F, image by image; and says
whether its features are to be standardised, `RESERVE = True`: by mean and standard deviation over
the points that the data set holds out, which are public and neither trained on nor added.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.storage.files import digest

LEAST = 1e-6
"""The least standard deviation that features are divided by."""


class FeaturesError(Exception):
    """Features that cannot be computed here; the message says why."""


def of(data: Dataset, modules: Sequence[ModuleType]) -> Dataset:
    """The data set with float32 features N x 1 x 1 x F in place of its images.

    The features of every module are divided by the root of their number, so that none outweighs
    the others and the stable learning rate does not depend on how many there are.
    """
    parts = [_standardised(data, module) for module in modules]
    train, test = (np.concatenate(part, axis=1)[:, None, None] for part in zip(*parts, strict=True))
    labels = data.train_labels, data.test_labels
    arrays = (train, labels[0], test, labels[1], data.held_out, data.sample)
    description = data.description | {
        "mean": (0.0,),
        "std": (1.0,),
        "levels": 1,
        "sha256": digest(*arrays),
    }
    return Dataset(*arrays, description)


def _standardised(data: Dataset, module: ModuleType) -> tuple[np.ndarray, np.ndarray]:
    """Features of the training and of the test images."""
    train, test = (module.extract(images) for images in (data.train_images, data.test_images))
    if module.RESERVE:
        public = train[data.held_out].astype(np.float64)
        mean, deviation = public.mean(0), np.maximum(public.std(0), LEAST)
        train, test = (((f - mean) / deviation).astype(np.float32) for f in (train, test))
    root = np.float32(np.sqrt(train.shape[1]))
    return train / root, test / root
