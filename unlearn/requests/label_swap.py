"""Deletion of the points whose labels were exchanged before training."""

import numpy as np

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import check_steps, steps_parameter
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion


class LabelSwap(Sampler):
    """The points with exchanged labels of a data set with `swapped`, so that the rest is right."""

    steps: int = steps_parameter()
    seed: int = parameter(0, minimum=0, help="Their order, which counts with several steps.")

    def check(self, setting: Setting) -> None:
        """Raise ValueError for a data set whose labels are true, or for too many steps."""
        data = setting.data
        if data.swapped_classes is None:
            raise ValueError("its labels are not exchanged; allowed: a data set with `swapped`")
        if data.swapped_points is not None:
            check_steps(self.steps, data.swapped_points)

    def draw(self, dataset: PointSet) -> Request:
        """All of them, in a seeded order; ValueError for more steps than points."""
        order = seeding.shuffled(
            dataset.swapped_ids, seeding.derive(self.seed, "label swap request")
        )
        if len(order) >= len(dataset.base_ids):
            raise ValueError(
                f"{len(order)} points leave nothing of the {len(dataset.base_ids)} in the "
                "training set"
            )
        check_steps(self.steps, len(order))
        return deletion(np.asarray(order, dtype=np.int64), self.steps)
