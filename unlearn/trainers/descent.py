"""Full-batch gradient descent in float64, for Descent-to-Delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn.algorithms.certified import full_batch
from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.trainers.base import CERTIFICATE_METRICS, Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from unlearn.algorithms.certified.chain import Law
    from unlearn.training.fleet import Member
    from unlearn.training.recipe import Recipe
    from unlearn.training.state import State
    from unlearn.training.task import Task


class DescentTrainer(Trainer):
    """Projected full-batch gradient descent in float64, T = epochs steps without noise.

    It is the trainer `langevin` with sigma 0. The rate 2 / (L + m) contracts most. The batch size
    of the recipe does not matter.

    References:
        Neel, Roth, Sharifi-Malvajerdi, "Descent-to-Delete: gradient-based methods for machine
        unlearning", ALT 2021.
    """

    metrics = CERTIFICATE_METRICS
    replays = True

    radius: float | None = parameter(
        None, above=0, help="The ball that weights are projected onto; null projects none."
    )
    start_sd: float = parameter(0.01, minimum=0, help="Standard deviation of the first weights.")

    def supports(self, setting: Setting) -> str | None:
        """A model and a recipe whose constants are proved."""
        return full_batch.refusal(setting)

    def guarantee(self) -> Guarantee:
        """Retraining has the first weights of the original."""
        return Guarantee("exact", "the same first weights, less the points", ("delete",))

    def law(self, recipe: Recipe) -> Law:
        """How models of a recipe descend."""
        from unlearn.algorithms.certified.chain import Law

        return Law(self.start_sd, radius=self.radius)

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The last weights, float64. ValueError if no point is left."""
        from unlearn.algorithms.certified import learning

        (state,) = learning.states(task, self.law(task.recipe), [ids], [seed])
        return state

    def train_many(self, task: Task, members: Sequence[Member]) -> list[State]:
        """The models of `train`, to the bit, which descend at once."""
        from unlearn.algorithms.certified import learning

        ids = [member.train_ids(task.data.base_ids) for member in members]
        seeds = [member.seed for member in members]
        return learning.states(task, self.law(task.recipe), ids, seeds)
