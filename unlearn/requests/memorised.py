"""Deletion of the points that models memorise most, or to another degree."""

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import check_deletion
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request
from unlearn.requests.scored_points import ScoredPoints
from unlearn.requests.scoring import LEVELS, ScoringModels


class Memorised(Sampler, ScoredPoints):
    """The points that models predict only if trained on them, scored by models on random subsets.

    The memorisation of a point is the accuracy on it of models trained on it, less that of models
    not trained on it.
    """

    level: str = parameter(
        "high",
        choices=LEVELS,
        help="The highest scores, those nearest to .5 (of `loss`: to the median), the lowest, or a "
        "third of each.",
    )

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless some but not all points of base training are selected."""
        check_deletion(setting.data, self.rate, self.count, self.steps)

    def scoring(self) -> ScoringModels:
        """The models that score the points."""
        return self.scoring_models()

    def draw(self, dataset: PointSet) -> Request:
        """The points of the level, those that belong to it most first."""
        return self.deletion_of(dataset, self.level)
