"""Deletion of the points that models memorise least: a negative control, nothing should change."""

from unlearn.core.setting import Setting
from unlearn.requests.amount import check_deletion
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request
from unlearn.requests.scored_points import ScoredPoints
from unlearn.requests.scoring import ScoringModels


class Easy(Sampler, ScoredPoints):
    """The points that models predict alike whether trained on them or not; see `memorised`."""

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless some but not all points of base training are selected."""
        check_deletion(setting.data, self.rate, self.count, self.steps)

    def scoring(self) -> ScoringModels:
        """The models that score the points."""
        return self.scoring_models()

    def draw(self, dataset: PointSet) -> Request:
        """The points of the lowest scores first."""
        return self.deletion_of(dataset, "low")
