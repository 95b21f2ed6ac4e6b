"""Histograms of oriented gradients (Dalal and Triggs 2005), by scikit-image."""

import numpy as np

from unlearn.data.features.base import Features

ORIENTATIONS = 9
CELL = 8
"""Pixels of a side of a cell."""
BLOCK = 2
"""Cells of a side of a block."""


class Hog(Features):
    """Histograms of oriented gradients, by scikit-image."""

    def size(self, shape: tuple[int, int, int]) -> int:
        """Orientations of every cell of every block."""
        blocks = (shape[0] // CELL - BLOCK + 1) * (shape[1] // CELL - BLOCK + 1)
        return blocks * BLOCK**2 * ORIENTATIONS

    def extract(self, images: np.ndarray) -> np.ndarray:
        """uint8 N x H x W x C to float32 N x F; the steepest channel counts at each pixel."""
        from skimage.feature import hog

        features = np.empty((len(images), self.size(images.shape[1:])), dtype=np.float32)
        for row, image in zip(features, images, strict=True):
            row[:] = hog(
                image,
                orientations=ORIENTATIONS,
                pixels_per_cell=(CELL, CELL),
                cells_per_block=(BLOCK, BLOCK),
                channel_axis=-1,
            )
        return features
