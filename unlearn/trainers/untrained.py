"""No training: networks with their initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unlearn.core import seeding
from unlearn.trainers.base import Trainer

if TYPE_CHECKING:
    from unlearn.training.state import State
    from unlearn.training.task import Task


class Untrained(Trainer):
    """No training: networks with the initial weights of their seeds, as audits compare with."""

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The model of this seed before its training; `ids` decide what is fitted before it."""
        from unlearn.training.state import state_of

        return state_of(task.new_model(seeding.derive(seed, "initial weights"), ids))
