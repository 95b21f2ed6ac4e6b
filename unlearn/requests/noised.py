"""Deletion of the points whose images carry noise: the retain set is clean."""

from unlearn.core.setting import Setting
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion


class Noised(Sampler):
    """The points whose images carry noise, so that the retain set is clean."""

    def check(self, setting: Setting) -> None:
        """Raise ValueError for a data set without noise."""
        if setting.data.noised is None:
            raise ValueError("its images carry no noise")

    def empties(self, setting: Setting) -> bool:
        """Whether all points carry noise."""
        return setting.data.noised == 1

    def draw(self, dataset: PointSet) -> Request:
        """All of them at once."""
        return deletion(dataset.noised_ids)
