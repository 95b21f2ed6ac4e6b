"""scikit-learn's handwritten digits: 8 x 8 grey images, embedded, no download.

The 1,797 images of the UCI test set (Alpaydin and Kaynak 1998), split by a fixed stratified draw.
"""

from pathlib import Path

import numpy as np

from unlearn.data.splits import stratified

CLASSES = 10
SHAPE = (8, 8, 1)
TRAIN = 1437
TEST = 360
# no published constants: the middle of the range and half of it
MEAN = (0.5,)
STD = (0.5,)


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train images, train labels, test images, test labels; `folder` is not used."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    train = stratified(labels, TRAIN, seed=0)
    test = np.setdiff1d(np.arange(len(labels)), train)
    return images[train], labels[train], images[test], labels[test]
