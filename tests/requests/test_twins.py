"""Deleted points that have a near-duplicate left."""

import numpy as np

from unlearn.requests import twins
from unlearn.requests.twins import twin_count


def test_points_with_a_twin_left_are_counted_once(digits, monkeypatch):
    monkeypatch.setattr(twins, "CHUNK_POINTS", 7)
    images = np.array(digits.train_images[:60])
    assert twin_count(images, np.arange(10), np.arange(10, 60)) == 0
    images[20] = images[21] = images[3]  # two twins of one point
    images[30] = np.clip(images[4].astype(int) + 5, 0, 255)  # brighter, nothing else
    images[5] = images[6]  # both deleted
    assert twin_count(images, np.arange(10), np.arange(10, 60)) == 2


def test_blank_points_have_no_direction():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    assert twin_count(images, np.array([0]), np.array([1, 2, 3])) == 0
    assert twin_count(images, np.array([], int), np.array([1])) == 0
