"""A data set in one file, as a user would add it."""

LETTERS = '''"""Digits upside down."""

import numpy as np

from unlearn.data.digits import Digits
from unlearn.data.source import DataSource, RawData


class Letters(DataSource):
    """Digits upside down."""

    classes = 10
    shape = (8, 8, 1)
    train_points = 1437
    test_points = 360
    mean = (0.5,)
    std = (0.5,)

    def load(self, folder):
        """The embedded images, turned."""
        digits = Digits().load(folder)
        train_images = np.ascontiguousarray(digits.train_images[:, ::-1])
        test_images = np.ascontiguousarray(digits.test_images[:, ::-1])
        return RawData(train_images, digits.train_labels, test_images, digits.test_labels)
'''
