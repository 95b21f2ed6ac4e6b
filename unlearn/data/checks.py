"""Checks of images and labels: the user's own arrays, and what any source has loaded."""

import numpy as np

from unlearn.data.source import DataSource, RawData, SourceFacts

MAX_LABEL = 999_999
"""The largest label: a million classes."""


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """uint8 images N x H x W or N x H x W x C as N x H x W x C; ValueError names what is wrong."""
    _check_bytes(images, name)
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
    _check_whole_numbers(labels, points, name)
    if labels.min() < 0:
        raise ValueError(f"{name}: label {labels.min()} is not allowed; labels count from 0")
    if labels.max() > MAX_LABEL:
        raise ValueError(
            f"{name}: label {labels.max()} is not allowed; allowed: at most {MAX_LABEL:,}"
        )
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
    missing = 1 if classes < 2 else _absent_class(train_labels, classes)
    if missing is not None:
        raise ValueError(f"train_labels: class {missing} has no points; labels count from 0")
    if test_labels.max() >= classes:
        raise ValueError(
            f"test_labels: class {test_labels.max()} is not allowed; train_labels has 0 to "
            f"{classes - 1}"
        )
    return RawData(train_images, train_labels, test_images, test_labels)


def check_loaded(source: DataSource, arrays: RawData) -> RawData:
    """What a source has loaded, its labels as int64, if it is what the source declares.

    Args:
        source: The data set; its `facts()` are what plans are made with.
        arrays: What its `load` has returned.

    Raises:
        ValueError: An array of another type or shape, a label out of range, a class without
            training points, constants for other channels, or a split that is too large.
    """
    facts = source.facts()
    _check_constants(source, facts)
    _check_sizes(source, source.kept_facts())
    if not isinstance(arrays, tuple) or len(arrays) != len(RawData._fields):
        raise ValueError(
            f"load: {type(arrays).__name__} is not allowed; allowed: RawData of "
            f"{', '.join(RawData._fields)}"
        )
    for name, array in zip(RawData._fields, arrays, strict=True):
        if not isinstance(array, np.ndarray):
            kind = type(array).__name__
            raise ValueError(f"{name}: {kind} is not allowed; allowed: a numpy array")
    data = RawData(*arrays)
    _check_loaded_images(data.train_images, facts.train_points, facts, "train_images")
    _check_loaded_images(data.test_images, facts.test_points, facts, "test_images")
    train_labels = _loaded_labels(data.train_labels, facts.train_points, facts, "train_labels")
    test_labels = _loaded_labels(data.test_labels, facts.test_points, facts, "test_labels")
    absent = _absent_class(train_labels, facts.classes)
    if absent is not None:
        raise ValueError(
            f"train_labels: class {absent} has no points; allowed: all of 0 to {facts.classes - 1}"
        )
    if source.class_points is not None:
        _check_class_points(train_labels, source.class_points[0], "train_labels")
        _check_class_points(test_labels, source.class_points[1], "test_labels")
    return data._replace(train_labels=train_labels, test_labels=test_labels)


def _check_class_points(labels: np.ndarray, declared: tuple[int, ...], name: str) -> None:
    """The sizes of the classes are those that the data set declares."""
    counts = tuple(np.bincount(labels, minlength=len(declared)).tolist())
    if counts != declared:
        raise ValueError(f"{name}: classes have {counts} points; the data set declares {declared}")


def _absent_class(labels: np.ndarray, classes: int) -> int | None:
    """The first of the classes that no label is of; None if there is none.

    Memory grows with the labels, not with the classes.
    """
    present_labels = np.unique(labels)
    if len(present_labels) == classes:
        return None
    is_in_place = present_labels == np.arange(len(present_labels))
    return len(present_labels) if is_in_place.all() else int(np.argmin(is_in_place))


def _check_bytes(images: np.ndarray, name: str) -> None:
    if images.dtype != np.uint8:
        advice = ""
        if np.issubdtype(images.dtype, np.floating):
            advice = "; pixels in 0..1 become uint8 by (255 * images).round().astype('uint8')"
        raise ValueError(f"{name}: dtype {images.dtype} is not allowed; allowed: uint8{advice}")


def _check_whole_numbers(labels: np.ndarray, points: int, name: str) -> None:
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name}: dtype {labels.dtype} is not allowed; allowed: whole numbers")
    if labels.shape != (points,):
        raise ValueError(f"{name}: shape {labels.shape} is not allowed; allowed: ({points},)")


def _check_loaded_images(images: np.ndarray, points: int, facts: SourceFacts, name: str) -> None:
    _check_bytes(images, name)
    if images.shape != (points, *facts.shape):
        raise ValueError(
            f"{name}: shape {images.shape} is not allowed; allowed: {(points, *facts.shape)}, the "
            "points, height, width and channels that the data set declares"
        )


def _loaded_labels(labels: np.ndarray, points: int, facts: SourceFacts, name: str) -> np.ndarray:
    """The labels as int64."""
    _check_whole_numbers(labels, points, name)
    outside = labels[(labels < 0) | (labels >= facts.classes)]
    if len(outside):
        raise ValueError(
            f"{name}: label {outside[0]} is not allowed; allowed: 0 to {facts.classes - 1}"
        )
    return labels.astype(np.int64)


def _check_constants(source: DataSource, facts: SourceFacts) -> None:
    """Mean and standard deviation fit the channels."""
    channels = facts.shape[2]
    for name, values in zip(("mean", "std"), source.normalisation(), strict=True):
        if len(values) not in (1, channels):
            raise ValueError(
                f"{name}: {len(values)} values are not allowed; allowed: 1, or one for each of "
                f"{channels} channels"
            )
        if not np.isfinite(values).all() or (name == "std" and min(values) <= 0):
            allowed = "numbers above 0" if name == "std" else "numbers"
            raise ValueError(f"{name}: {tuple(values)} is not allowed; allowed: {allowed}")


def _check_sizes(source: DataSource, facts: SourceFacts) -> None:
    """Validation split and subsets are no larger than what there is."""
    for name, points, available in (
        ("validation", source.validation_size, facts.train_points - 1),
        ("subset", source.subset, facts.train_points - source.validation_size),
        ("test_subset", source.test_subset, facts.test_points),
    ):
        if points is not None and points > available:
            raise ValueError(f"{name}: {points} is not allowed; allowed: at most {available}")
