"""Langevin learning: projected full-batch gradient descent with noise in every step."""

from __future__ import annotations

import math
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


class LangevinTrainer(Trainer):
    """Full-batch gradient descent in float64 with Gaussian noise, T = epochs steps.

    A step on the mean cross-entropy f of n points, with rate eta and weight decay m, is
    w <- P(w - eta (grad f(w) + m w) + sqrt(2 eta) sigma N(0, I)). The first weights are normal. The
    batch size of the recipe does not matter. All arithmetic is numpy's on the CPU.

    References:
        Chien, Wang, Chen, Li, "Langevin unlearning: a new perspective of noisy gradient descent
        for machine unlearning", NeurIPS 2024.
    """

    metrics = CERTIFICATE_METRICS
    replays = True

    sigma: float = parameter(
        0.03, above=0, help="Noise: a step has standard deviation sqrt(2 lr) sigma."
    )
    radius: float | None = parameter(
        None, above=0, help="The ball that weights are projected onto; null projects none."
    )
    start_sd: float | None = parameter(
        None,
        minimum=0,
        help="Standard deviation of the first weights; null is sqrt(2 / weight_decay) sigma.",
    )

    def supports(self, setting: Setting) -> str | None:
        """A model and a recipe whose constants are proved, and a law of the first weights."""
        if setting.recipe is not None and self.start_sd is None and not setting.recipe.weight_decay:
            return "weight_decay: 0 needs start_sd; allowed: a number at start_sd"
        return full_batch.refusal(setting)

    def guarantee(self) -> Guarantee:
        """Retraining has the first weights and the noise of the original."""
        return Guarantee("exact", "the same first weights and noise, less the points", ("delete",))

    def law(self, recipe: Recipe) -> Law:
        """How models of a recipe descend."""
        from unlearn.algorithms.certified.chain import Law

        start_sd = self.start_sd
        if start_sd is None:
            if not recipe.weight_decay:
                raise ValueError(self.supports(Setting(recipe=recipe)))
            start_sd = math.sqrt(2 / recipe.weight_decay) * self.sigma
        return Law(start_sd, self.sigma, self.radius)

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
