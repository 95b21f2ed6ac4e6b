"""Deletion of points drawn uniformly without replacement."""

from unlearn.core import seeding
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
from unlearn.requests.request import Request, deletion


class Random(Sampler):
    """Points drawn uniformly without replacement; smaller sets of a seed lie in larger ones."""

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    seed: int = parameter(0, minimum=0, help="The draw.")

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless some but not all points of base training are selected."""
        check_deletion(setting.data, self.rate, self.count, self.steps)

    def draw(self, dataset: PointSet) -> Request:
        """The first points of a seeded order."""
        order = seeding.shuffled(dataset.base_ids, seeding.derive(self.seed, "random request"))
        points = amount(len(dataset.base_ids), self.rate, self.count)
        return deletion(order[:points], self.steps)
