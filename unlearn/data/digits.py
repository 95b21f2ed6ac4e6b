"""scikit-learn's handwritten digits: 8 x 8 grey images, embedded, no download.

The 1,797 images of the UCI test set (Alpaydin and Kaynak 1998), split by a fixed stratified draw.
"""

from pathlib import Path

import numpy as np

from unlearn.data.source import DataSource, RawData
from unlearn.data.splits import stratified


class Digits(DataSource):
    """scikit-learn's embedded 8 x 8 digits, 1,437 for training and 360 for testing."""

    classes = 10
    shape = (8, 8, 1)
    train_points = 1437
    test_points = 360
    validation_points = 144
    # no published constants: the middle of the range and half of it
    mean = (0.5,)
    std = (0.5,)
    class_points = (
        (142, 146, 142, 146, 145, 145, 145, 143, 139, 144),
        (36, 36, 35, 37, 36, 37, 36, 36, 35, 36),
    )

    def load(self, folder: Path) -> RawData:
        """The embedded images; `folder` is not used."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        labels = digits.target.astype(np.int64)
        train = stratified(labels, self.train_points, seed=0)
        test = np.setdiff1d(np.arange(len(labels)), train)
        return RawData(images[train], labels[train], images[test], labels[test])
