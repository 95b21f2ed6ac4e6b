"""The standard trainer, with a log of what every minibatch did to the weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.trainers.base import Trainer
from unlearn.trainers.standard import StandardTrainer

if TYPE_CHECKING:
    import numpy as np

    from unlearn.training.recipe import Recipe
    from unlearn.training.state import State
    from unlearn.training.task import Task

VALUE_BYTES = 4
"""A weight, or the place of a point, in the log."""


class AmnesiacTrainer(Trainer):
    """The standard trainer, with a log of what every minibatch did to the weights.

    The model is that of the standard trainer, to the bit. A state has, beside its tensors, for T
    steps, p trained weights, E epochs and N training points:

    `log/weights`  float32 (T + 1) x p, the trained weights before every step and after the last
    `log/steps`    int32 E x N, the steps that had a point, in their order; -1 where there is none

    The update of step t is the difference of the rows t + 1 and t.

    References:
        Graves, Nagisetty, Ganesh, "Amnesiac machine learning", AAAI 2021.
    """

    controls = "standard"
    orders = ("masked", "recut")
    metrics = ("touched_fraction",)

    max_log_gb: float = parameter(
        4.0, above=0, help="The most that the log of a model may take, in 1e9 bytes."
    )

    def supports(self, setting: Setting) -> str | None:
        """A log that fits."""
        if setting.data is None or setting.model is None or setting.recipe is None:
            return None
        weights = setting.model.weight_count(setting.data.shape, setting.data.classes)
        if weights is None:  # known once the network is built
            return None
        try:
            self.check_size(weights, setting.data.points, setting.recipe)
        except ValueError as error:
            return f"{error}"
        return None

    def check_size(self, weights: int, points: int, recipe: Recipe) -> None:
        """Raise ValueError for a log that is too large.

        Args:
            weights: The trained weights of the network.
            points: The training points, those outside base training included.
            recipe: How the network is trained.
        """
        rows = recipe.epochs * math.ceil(points / recipe.batch_size) + 1
        size = VALUE_BYTES * (rows * weights + recipe.epochs * points) / 1e9
        if size > self.max_log_gb:
            raise ValueError(
                f"max_log_gb: {self.max_log_gb:g} is too little, the log of a model would take "
                f"{size:.3g} GB; allowed: more, fewer steps or a smaller model"
            )

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """A model of the standard trainer and its log. ValueError for a log that is too large."""
        from unlearn.algorithms import update_log

        return update_log.train(self.check_size, task, ids, seed)

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same model, without a log."""
        return StandardTrainer().retrain(task, ids, seed)
