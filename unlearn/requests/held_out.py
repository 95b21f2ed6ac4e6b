"""Addition of points that were kept out of base training."""

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import (
    amount,
    check_steps,
    count_parameter,
    rate_parameter,
    steps_parameter,
)
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, addition


class HeldOut(Sampler):
    """Points that the data set holds out are added; the rate is relative to base training."""

    changes = ("add",)

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    seed: int = parameter(0, minimum=0, help="The draw.")

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless the data set holds out as many points as are to be added."""
        points = amount(setting.data.base_points, self.rate, self.count)
        if points > setting.data.held_out:
            raise ValueError(
                f"{points} points are to be added but {setting.data.held_out} are held out of base "
                "training; raise `held_out` of the data set"
            )
        check_steps(self.steps, points)

    def draw(self, dataset: PointSet) -> Request:
        """The first of the held-out points in a seeded order; smaller requests lie in larger."""
        order = seeding.shuffled(
            dataset.held_out_ids, seeding.derive(self.seed, "held-out request")
        )
        points = amount(len(dataset.base_ids), self.rate, self.count)
        return addition(order[:points], self.steps)
