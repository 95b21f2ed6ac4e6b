"""Gradient descent in float64 that remembers its trajectory, for DeltaGrad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn.algorithms.deltagrad import trajectories
from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.trainers.base import Trainer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch

    from unlearn.training.state import State
    from unlearn.training.task import Task


class DeltagradTrainer(Trainer):
    """Gradient descent in float64 that remembers weights and gradients of every iteration.

    A state has, beside the float64 parameters under their own names, for T iterations and p
    parameters in the order of `replay.Stack`:

    `cache/weights`    T x p, the parameters before each iteration
    `cache/gradients`  T x p, the mean gradient of the loss over its minibatch, without decay
    `cache/present`    bool N, which points that was trained on

    A minibatch without points has no step, a gradient of zero, and keeps its place in the schedule.

    References:
        Wu, Dobriban, Davidson, "DeltaGrad: rapid retraining of machine learning models", ICML 2020.
    """

    metrics = ("exact_steps", "approximate_steps", "direct_steps", "fallbacks")
    replays = True

    cache: str = parameter(
        "float64",
        choices=("float64", "float32"),
        help="How the trajectory is stored; all sums are float64.",
    )
    max_cache_gb: float = parameter(
        4.0, above=0, help="The most that the cache of a model may take, in 1e9 bytes."
    )

    def supports(self, setting: Setting) -> str | None:
        """A stack of linear layers with a recipe that can be replayed and a cache that fits."""
        if setting.data is None or setting.model is None:
            return None
        try:
            trajectories.check(setting, self.cache, self.max_cache_gb)
        except ValueError as error:
            return f"{error}"
        return None

    def guarantee(self) -> Guarantee:
        """Retraining is paired with the original; the method DeltaGrad is approximate."""
        return Guarantee(
            "exact", "the same initial weights, minibatches and rates, less the points"
        )

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """Train on `ids`, with the cache. ValueError if it is too large or training diverges."""
        from unlearn.algorithms.deltagrad import training

        limits = training.CacheLimits(self.cache, self.max_cache_gb)
        return training.train(limits, task, ids, seed)

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same model, without a cache: the oracle is not charged for one."""
        from unlearn.algorithms.deltagrad import training

        return training.retrain(task, ids, seed)

    def member_logits(self, task: Task, member: Mapping, pixels: torch.Tensor) -> torch.Tensor:
        """Logits of the model for images, computed in float64."""
        from unlearn.algorithms.deltagrad.replay import latest_replay

        stack = latest_replay(task).stack
        return stack.logits(stack.vector(member), pixels)

    def served(self, state: State) -> list[str]:
        """The parameters: predictions need no cache."""
        return [name for name in state if not name.startswith("cache/")]
