"""Checks of images and labels that do not come with the project."""

import numpy as np

from unlearn.data.source import RawData


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """uint8 images N x H x W or N x H x W x C as N x H x W x C; ValueError names what is wrong."""
    if images.dtype != np.uint8:
        advice = ""
        if np.issubdtype(images.dtype, np.floating):
            advice = "; pixels in 0..1 become uint8 by (255 * images).round().astype('uint8')"
        raise ValueError(f"{name}: dtype {images.dtype} is not allowed; allowed: uint8{advice}")
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"{name}: shape {images.shape} is not allowed; allowed: N x H x W or N x H x W x C"
        )
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[3] not in (1, 3):
        raise ValueError(
            f"{name}: {images.shape[3]} channels are not allowed; allowed: 1 or 3, in the last axis"
        )
    return images


def check_labels(labels: np.ndarray, points: int, name: str) -> np.ndarray:
    """Whole numbers N as int64; ValueError names what is wrong."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name}: dtype {labels.dtype} is not allowed; allowed: whole numbers")
    if labels.shape != (points,):
        raise ValueError(f"{name}: shape {labels.shape} is not allowed; allowed: ({points},)")
    if labels.min() < 0:
        raise ValueError(f"{name}: label {labels.min()} is not allowed; labels count from 0")
    return labels.astype(np.int64)


def checked(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
) -> RawData:
    """The images and labels of a data set; ValueError if they do not make one."""
    train_images = check_images(train_images, "train_images")
    test_images = check_images(test_images, "test_images")
    train_labels = check_labels(train_labels, len(train_images), "train_labels")
    test_labels = check_labels(test_labels, len(test_images), "test_labels")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"test_images: images of {test_images.shape[1:]} are not allowed; "
            f"those of train_images are {train_images.shape[1:]}"
        )
    classes = int(train_labels.max()) + 1
    absent = np.setdiff1d(np.arange(classes), train_labels)
    if classes < 2 or len(absent):
        missing = absent[0] if len(absent) else 1
        raise ValueError(f"train_labels: class {missing} has no points; labels count from 0")
    if test_labels.max() >= classes:
        raise ValueError(
            f"test_labels: class {test_labels.max()} is not allowed; train_labels has 0 to "
            f"{classes - 1}"
        )
    return RawData(train_images, train_labels, test_images, test_labels)
