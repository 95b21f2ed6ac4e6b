"""One model, trained on all points at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unlearn.core import seeding
from unlearn.trainers.base import CERTIFICATE_METRICS, Trainer

if TYPE_CHECKING:
    from unlearn.training.state import State
    from unlearn.training.task import Task


class StandardTrainer(Trainer):
    """One model, trained on all points at once."""

    orders = ("masked", "recut")
    metrics = (
        "unconverged_solves",
        "largest_residual",
        "nonstationarity",
        "unflipped_fraction",
        *CERTIFICATE_METRICS,
    )

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """A fresh model of this seed, trained on the points `ids` by the task's recipe."""
        from unlearn.training.loop import fit
        from unlearn.training.state import state_of

        model = task.new_model(seeding.derive(seed, "initial weights"), ids)
        fit(task, model, ids, task.recipe, seeding.derive(seed, "training"))
        return state_of(model)
