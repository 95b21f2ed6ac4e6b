"""What samplers share whose points are chosen by the scores of models: fields, and the draw."""

from unlearn.core.parameters import Parameters
from unlearn.requests import scoring
from unlearn.requests.amount import amount, count_parameter, rate_parameter, steps_parameter
from unlearn.requests.base import PointSet
from unlearn.requests.request import Request, deletion
from unlearn.requests.scoring import ScoringModels


class ScoredPoints(Parameters):
    """The parameters of such a sampler; its other base is `Sampler`."""

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

    def scoring_models(self) -> ScoringModels:
        """The models that score the points."""
        return ScoringModels(self.model, self.recipe, self.fraction, self.models)

    def deletion_of(self, dataset: PointSet, level: str) -> Request:
        """The deletion of the points of a level, those first that belong to it most."""
        base_ids = dataset.base_ids
        order = scoring.ranking(
            dataset.scores, base_ids, level=level, proxy=self.proxy, seed=self.seed
        )
        return deletion(order[: amount(len(base_ids), self.rate, self.count)], self.steps)
