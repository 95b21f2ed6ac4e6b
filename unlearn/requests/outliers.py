"""Deletion of the points that lie farthest from the other points of their class."""

import numpy as np

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import (
    amount,
    check_deletion,
    count_parameter,
    rate_parameter,
    steps_parameter,
)
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.neighbours import mean_distances
from unlearn.requests.request import Request, deletion


class Outliers(Sampler):
    """The points with the largest mean distance to their nearest points of the same class.

    Distances are Euclidean, between what models see: pixels, or features where the data set has
    them. The farthest points come first; no seed decides anything.
    """

    reads_images = True

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    neighbours: int = parameter(
        10, minimum=1, help="Nearest points of the same class whose distances are averaged."
    )

    def check(self, setting: Setting) -> None:
        """Raise ValueError for an impossible number of points or neighbours."""
        data = setting.data
        check_deletion(data, self.rate, self.count, self.steps)
        average = data.base_points // data.classes
        if self.neighbours >= average:
            raise ValueError(
                f"neighbours: {self.neighbours} is not allowed; allowed: fewer than the {average} "
                "points of an average class"
            )

    def draw(self, dataset: PointSet) -> Request:
        """The farthest points first; ValueError for a class with too few points."""
        base_ids = dataset.base_ids
        labels = dataset.train_labels[base_ids]
        distances = np.empty(len(base_ids))
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            if len(rows) <= self.neighbours:
                raise ValueError(
                    f"neighbours: {self.neighbours} is not allowed; allowed: fewer than the "
                    f"{len(rows)} points of class {label}"
                )
            distances[rows] = mean_distances(dataset.train_images, base_ids[rows], self.neighbours)
        order = base_ids[np.argsort(-distances, kind="stable")]
        points = amount(len(base_ids), self.rate, self.count)
        return deletion(order[:points], self.steps)
