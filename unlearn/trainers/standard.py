"""One model, trained on all points at once."""

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.training.loop import fit, predict
from unlearn.training.state import State, state_of
from unlearn.training.task import Task


class Standard:
    """The trainer of every method that needs nothing special."""

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """A fresh model of this seed, trained on the points `ids` by the task's recipe."""
        model = task.new_model(seeding.derive(seed, "initial weights"))
        fit(task, model, ids, task.recipe, seeding.derive(seed, "training"))
        return state_of(model)

    retrain = train  # nothing is kept for later requests

    def predict(self, task: Task, state: State, pixels: torch.Tensor) -> torch.Tensor:
        """Logits of the model for uint8 images."""
        return predict(task, task.model(state), pixels)

    def votes(self, task: Task, state: State, pixels: torch.Tensor) -> np.ndarray:
        """What each constituent of an ensemble predicts, S x N; here there are none."""
        return np.empty((0, len(pixels)), dtype=np.int16)

    def served(self, state: State) -> list[str]:
        """Names of the tensors that predictions need; those with a / are for later requests."""
        return [name for name in state if "/" not in name]

    def parameters(self, task: Task) -> list[str]:
        """Names of the trainable tensors of a state, those that an L2 distance compares."""
        return [name for name, _ in task.new_model(0).named_parameters()]
