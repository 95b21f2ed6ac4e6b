"""Full-batch gradient descent in float64 that keeps a checkpoint, for rewinding."""

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


class RewindTrainer(Trainer):
    """The trainer `descent`, which keeps the weights before the last K of T = epochs steps.

    They are stored as `checkpoint/<name>`, float64, and know all training points.

    References:
        Mu, Klabjan, "Rewind-to-Delete: certified machine unlearning for nonconvex functions", 2024.
    """

    metrics = CERTIFICATE_METRICS
    replays = True

    keep: int | None = parameter(
        None, minimum=1, help="K: the last steps that can be repeated; null is half of the epochs."
    )
    radius: float | None = parameter(
        None, above=0, help="The ball that weights are projected onto; null projects none."
    )
    start_sd: float = parameter(0.01, minimum=0, help="Standard deviation of the first weights.")

    def supports(self, setting: Setting) -> str | None:
        """A model and a recipe whose constants are proved, and a checkpoint within training."""
        if setting.recipe is not None and self.kept_steps(setting.recipe) > setting.recipe.epochs:
            return f"keep: {self.keep} is not allowed; allowed: 1 to {setting.recipe.epochs} epochs"
        return full_batch.refusal(setting)

    def guarantee(self) -> Guarantee:
        """Retraining has the first weights of the original."""
        return Guarantee("exact", "the same first weights, less the points", ("delete",))

    def kept_steps(self, recipe: Recipe) -> int:
        """K."""
        return max(1, recipe.epochs // 2) if self.keep is None else self.keep

    def law(self, recipe: Recipe) -> Law:
        """How models of a recipe descend. ValueError for a checkpoint before the first step."""
        from unlearn.algorithms.certified.chain import Law

        reason = self.supports(Setting(recipe=recipe))
        if reason:
            raise ValueError(reason)
        return Law(self.start_sd, radius=self.radius)

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The last weights and the checkpoint, float64. ValueError if no point is left."""
        (state,) = self._states(task, [ids], [seed])
        return state

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same weights, without a checkpoint."""
        state = self.train(task, ids, seed)
        return {name: state[name] for name in self.served(state)}

    def train_many(self, task: Task, members: Sequence[Member]) -> list[State]:
        """The models of `train`, to the bit, which descend at once."""
        ids = [member.train_ids(task.data.base_ids) for member in members]
        return self._states(task, ids, [member.seed for member in members])

    def _states(self, task: Task, ids: list[np.ndarray], seeds: list[int]) -> list[State]:
        from unlearn.algorithms.certified import learning

        steps = self.kept_steps(task.recipe)
        return learning.states(task, self.law(task.recipe), ids, seeds, steps)
