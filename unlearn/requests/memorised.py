"""Deletion of the points that models memorise most, or to another degree."""

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests import scoring
from unlearn.requests.amount import (
    amount,
    check_deletion,
    count_parameter,
    rate_parameter,
    steps_parameter,
)
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion
from unlearn.requests.scoring import ScoringModels


class Memorised(Sampler):
    """The points that models predict only if trained on them, scored by models on random subsets.

    The memorisation of a point is the accuracy on it of models trained on it, less that of models
    not trained on it.
    """

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    seed: int = scoring.seed_parameter()
    level: str = parameter(
        "high",
        choices=scoring.LEVELS,
        help="The highest scores, those nearest to .5 (of `loss`: to the median), the lowest, or a "
        "third of each.",
    )
    proxy: str | None = scoring.proxy_parameter()
    models: int = scoring.models_parameter()
    fraction: float = scoring.fraction_parameter()
    model: str = scoring.model_parameter()
    recipe: str | None = scoring.recipe_parameter()

    def validate(self) -> None:
        """Raise ValueError for too few scoring models."""
        scoring.check_models(self.models, self.fraction, self.proxy)

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless some but not all points of base training are selected."""
        check_deletion(setting.data, self.rate, self.count, self.steps)

    def scoring(self) -> ScoringModels:
        """The models that score the points."""
        return ScoringModels(self.model, self.recipe, self.fraction, self.models)

    def draw(self, dataset: PointSet) -> Request:
        """The points of the level, those that belong to it most first."""
        base_ids = dataset.base_ids
        order = scoring.ranking(
            dataset.scores, base_ids, level=self.level, proxy=self.proxy, seed=self.seed
        )
        return deletion(order[: amount(len(base_ids), self.rate, self.count)], self.steps)
