"""The contract of features: what models see of images instead of pixels."""

from typing import ClassVar

import numpy as np

from unlearn.core.parameters import Parameters


class FeaturesError(Exception):
    """Features that cannot be computed here; the message says why."""


class Features(Parameters):
    """Features of images that do not depend on the training set. One file each.

    A network that was trained on the points that are to be forgotten would remember them, whatever
    becomes of the classifier above it.
    """

    standardise: ClassVar[bool] = True
    """Whether to standardise features by mean and deviation over the points that the data set
    holds out, which are public and neither trained on nor added."""

    def size(self, shape: tuple[int, int, int]) -> int:
        """The number of features of an image H x W x C; 0 where it is too small for any."""
        raise NotImplementedError

    def extract(self, images: np.ndarray) -> np.ndarray:
        """uint8 N x H x W x C to float32 N x F, image by image.

        Raises FeaturesError where they cannot be computed.
        """
        raise NotImplementedError
