"""Deletion of a class, or of a share of its points."""

from typing import Any

import numpy as np

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import steps_parameter
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion


class ByClass(Sampler):
    """All or a share of the points of one class."""

    label: int = parameter(minimum=0, help="The class, counted from 0.")
    fraction: float = parameter(1.0, above=0, maximum=1, help="Share of the points of the class.")
    steps: int = steps_parameter()
    seed: int = parameter(0, minimum=0, help="The draw.")

    def check(self, setting: Setting) -> None:
        """Raise ValueError for an unknown class, or a share too small for one of average size."""
        classes = setting.data.classes
        if self.label >= classes:
            raise ValueError(
                f"label {self.label} does not exist; classes go from 0 to {classes - 1}"
            )
        average = setting.data.base_points / classes
        if round(self.fraction * average) < self.steps:
            raise ValueError(
                f"fraction {self.fraction} of a class of about {average:.0f} points is too little "
                f"for {self.steps} steps"
            )

    def pilot(self) -> dict[str, Any]:
        """Points of the class before, or of class 1 instead of 0."""
        return super().pilot() | {"label": self.label - 1 if self.label else 1}

    def draw(self, dataset: PointSet) -> Request:
        """The first points of the class in a seeded order; ValueError if there are too few."""
        class_ids = np.setdiff1d(
            np.flatnonzero(dataset.train_labels == self.label), dataset.held_out_ids
        )
        points = round(self.fraction * len(class_ids))
        if points < self.steps:
            raise ValueError(
                f"fraction {self.fraction} of class {self.label} is {points} points, "
                f"steps: {self.steps}"
            )
        order = seeding.shuffled(class_ids, seeding.derive(self.seed, "class request"))
        return deletion(order[:points], self.steps)
