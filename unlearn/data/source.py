"""The contract of data sets: where images and labels come from, and which of them are used."""

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from unlearn.core.parameters import Parameters, parameter

LEVELS = 255
"""The largest value of a pixel."""

PIXELS = ("standardised", "unit", "symmetric")


class RawData(NamedTuple):
    """All images (uint8 N x H x W x C) and labels (int64 N) of a source."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


class SourceFacts(NamedTuple):
    """What the plan must know of a source before it is loaded."""

    classes: int
    shape: tuple[int, int, int]
    """H, W, C."""
    train_points: int
    """The validation split included."""
    test_points: int


class DataSource(Parameters):
    """A data set: its images and labels, and the options that all data sets have. One file each."""

    classes: ClassVar[int]
    shape: ClassVar[tuple[int, int, int]]
    train_points: ClassVar[int]
    test_points: ClassVar[int]
    validation_points: ClassVar[int] = 0
    """Training points that become the validation split where a study says nothing else."""
    mean: ClassVar[tuple[float, ...]]
    """Of pixels in [0, 1], by channel: a published constant, never measured on the training set."""
    std: ClassVar[tuple[float, ...]]
    class_points: ClassVar[tuple[tuple[int, ...], tuple[int, ...]] | None] = None
    """The training and the test points of each class, for sources of which `labels` can keep some;
    None where they are not known before the source is loaded."""

    labels: list | None = parameter(
        None,
        help="The classes to keep, such as [3, 8]: they become 0, 1 and so on, in this order; null "
        "keeps all.",
    )
    validation: int | None = parameter(
        None,
        minimum=0,
        help="Number of training points set aside as the validation split, which nobody trains on; "
        "null takes that of the data set (5,000 of MNIST and CIFAR-10, a tenth of digits), less in "
        "proportion where `labels` keeps some classes.",
    )
    subset: int | None = parameter(
        None,
        minimum=2,
        help="Number of training points to keep beside the validation split, stratified; null "
        "keeps all.",
    )
    test_subset: int | None = parameter(
        None,
        minimum=2,
        help="Number of test points to keep, stratified; null keeps all. A smaller test set mainly "
        "speeds up ensembles.",
    )
    subset_seed: int = parameter(0, minimum=0, help="Which points `subset` and `test_subset` keep.")
    held_out: float = parameter(
        0.0,
        minimum=0,
        below=1,
        help="Share of the training points that base training leaves out, for requests that add "
        "points.",
    )
    held_out_seed: int = parameter(0, minimum=0, help="Which points `held_out` keeps out.")
    retain_sample: int | None = parameter(
        10000,
        minimum=1,
        help="Number of training points, drawn at random, on which every model is evaluated beside "
        "those of the request; null takes all.",
    )
    pixels: str = parameter(
        "standardised",
        choices=PIXELS,
        help="How models see pixels: with mean 0 and variance 1 by known constants of the data "
        "set, in [0, 1], or in [-1, 1].",
    )

    def facts(self) -> SourceFacts:
        """Sizes of the source before any subset is taken; ValueError if they cannot be had."""
        return SourceFacts(self.classes, self.shape, self.train_points, self.test_points)

    def validate(self) -> None:
        """Raise ValueError for labels that cannot be kept."""
        if self.labels is None:
            return
        if self.class_points is None:
            raise ValueError(
                f"labels: {self.labels} needs sizes of classes, which the data set does not "
                "declare; allowed: null"
            )
        classes = len(self.class_points[0])
        are_classes = all(type(label) is int and 0 <= label < classes for label in self.labels)
        if not are_classes or len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(
                f"labels: {self.labels} is not allowed; allowed: two or more different classes "
                f"from 0 to {classes - 1}"
            )

    def kept_facts(self) -> SourceFacts:
        """Sizes of the points that `labels` keeps; ValueError if they cannot be had."""
        facts = self.facts()
        if self.labels is None:
            return facts
        train_points, test_points = (
            sum(points[label] for label in self.labels) for points in self.class_points
        )
        return SourceFacts(len(self.labels), facts.shape, train_points, test_points)

    @property
    def validation_size(self) -> int:
        """The number of points of the validation split."""
        if self.validation is not None:
            return self.validation
        if self.labels is None:
            return self.validation_points
        share = self.kept_facts().train_points / self.facts().train_points
        return round(self.validation_points * share)

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation by channel that models see pixels in [0, 1] with."""
        return {
            "standardised": lambda: (self.mean, self.std),
            "unit": lambda: ((0.0,), (1.0,)),
            "symmetric": lambda: ((0.5,), (0.5,)),
        }[self.pixels]()

    def files(self) -> tuple[str, ...]:
        """The user's own files that the data set is read from."""
        return ()

    def load(self, folder: Path) -> RawData:
        """All images and labels; `folder` holds raw data.

        Raises `download.DataError` if they cannot be had or cannot be trusted.
        """
        raise NotImplementedError
