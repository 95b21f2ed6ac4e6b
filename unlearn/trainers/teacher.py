"""One model, trained as always, that keeps its logits of the training points, to teach students."""

import numpy as np
import torch

from unlearn.trainers.standard import Standard
from unlearn.training.loop import normalised, predict
from unlearn.training.state import State
from unlearn.training.task import Task, points

PLAN = "unlearn.algorithms.distillation.students"
CONTROLS = "standard"  # the models are the same to the bit
METRICS = (
    "active_fraction",
    "uniform_fallbacks",
    "unconverged_solves",
    "largest_residual",
    "kl_scratch",
    "accuracy_gap_scratch",
    "loss_gap_scratch",
    "kl_taught",
    "accuracy_gap_taught",
    "loss_gap_taught",
)


class Teacher:
    """The models of the standard trainer, as teachers.

    A state has, beside the parameters and buffers of the model:

    `cache/logits`      float32 N x C, logits of the points that it was trained on, 0 elsewhere
    `cache/present`     bool N, which points these are
    `cache/generation`  int64, how many students lie between the first teacher and this model
    `teacher/...`       after a request, the tensors of the teacher, where it will be asked again
    """

    def __init__(self):
        self._standard = Standard()

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """A model of the standard trainer and its logits."""
        state = self._standard.train(task, ids, seed)
        shape = len(task.data.train_labels), task.data.classes
        nothing = {
            "cache/logits": torch.zeros(shape),
            "cache/present": torch.zeros(shape[0], dtype=torch.bool),
            "cache/generation": torch.zeros((), dtype=torch.int64),
        }
        return state | self.known(task, state, nothing, ids)

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same model, without logits."""
        return self._standard.retrain(task, ids, seed)

    def known(self, task: Task, model: State, cache: State, ids: np.ndarray) -> dict:
        """The tensors of `cache`, copied, with the logits that `model` gives for `ids` added."""
        names = [name for name in cache if name.startswith("cache/")]
        found = {name: torch.as_tensor(cache[name]).clone() for name in names}
        absent = points(ids)[~found["cache/present"][ids]]
        if len(absent):
            network = task.model(model)
            pixels = task.data.train_images[absent.to(task.machine.device)]
            found["cache/logits"][absent] = predict(task, network, pixels)
            found["cache/present"][absent] = True
            example = normalised(pixels[:1], task.data)
            task.meter.forwards(network, example, len(absent))
        return found

    def predict(self, task: Task, state: State, pixels: torch.Tensor) -> torch.Tensor:
        """Logits of the model, student or teacher, for uint8 images."""
        return self._standard.predict(task, state, pixels)

    def votes(self, task: Task, state: State, pixels: torch.Tensor) -> np.ndarray:
        """None: there are no constituents."""
        return self._standard.votes(task, state, pixels)

    def served(self, state: State) -> list[str]:
        """The model's own tensors."""
        return self._standard.served(state)

    def parameters(self, task: Task) -> list[str]:
        """Names of the trainable tensors of a state."""
        return self._standard.parameters(task)
