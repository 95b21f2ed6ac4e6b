"""Deletion of the points that models memorise least: a negative control, nothing should change."""

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


class Easy(Sampler):
    """The points that models predict alike whether trained on them or not; see `memorised`."""

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    seed: int = scoring.seed_parameter()
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
        """The points of the lowest scores first."""
        base_ids = dataset.base_ids
        order = scoring.ranking(
            dataset.scores, base_ids, level="low", proxy=self.proxy, seed=self.seed
        )
        return deletion(order[: amount(len(base_ids), self.rate, self.count)], self.steps)
