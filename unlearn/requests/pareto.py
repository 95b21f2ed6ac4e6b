"""Deletion of points by successive draws from a Pareto law."""

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests import successive_draws
from unlearn.requests.amount import (
    check_deletion,
    count_parameter,
    rate_parameter,
    steps_parameter,
)
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request


class Pareto(Sampler):
    """Points drawn without replacement, by a probability that falls as (rank + 1)^-(shape + 1)."""

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    seed: int = parameter(0, minimum=0, help="The draw.")
    shape: float = parameter(1.16, above=0, maximum=50, help="The shape of the law.")
    ranking_seed: int = successive_draws.ranking_parameter()

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless some but not all points of base training are selected."""
        check_deletion(setting.data, self.rate, self.count, self.steps)

    def draw(self, dataset: PointSet) -> Request:
        """Points in the order of successive draws."""
        return successive_draws.draw("pareto", self, dataset)
