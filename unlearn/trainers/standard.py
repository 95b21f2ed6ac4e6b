"""One model, trained on all points at once."""

import numpy as np

from unlearn.core import seeding
from unlearn.trainers.base import Trainer


class Standard(Trainer):
    """One model, trained on all points at once."""

    def train(self, task, ids: np.ndarray, seed: int):
        """A fresh model of this seed, trained on the points `ids` by the task's recipe."""
        from unlearn.training.loop import fit
        from unlearn.training.state import state_of

        model = task.new_model(seeding.derive(seed, "initial weights"))
        fit(task, model, ids, task.recipe, seeding.derive(seed, "training"))
        return state_of(model)
