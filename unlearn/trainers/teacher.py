"""One model of the standard trainer, with its logits of the training points, to teach students."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unlearn.core.guarantee import Guarantee
from unlearn.trainers.base import Trainer
from unlearn.trainers.standard import StandardTrainer

if TYPE_CHECKING:
    import torch

    from unlearn.training.state import State
    from unlearn.training.task import Task


class TeacherTrainer(Trainer):
    """The standard trainer, with the logits of all training points, so that it can teach students.

    A state has, beside the parameters and buffers of the model:

    `cache/logits`      float32 N x C, logits of the points that it was trained on, 0 elsewhere
    `cache/present`     bool N, the points with logits
    `cache/generation`  int64, how many students lie between the first teacher and this model
    `teacher/...`       after a request, the tensors of the teacher, where later requests need it
    """

    controls = "standard"
    orders = ("masked", "recut")
    metrics = (
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

    def guarantee(self) -> Guarantee:
        """Retraining is paired with the original."""
        return Guarantee(
            "exact", "the same initial weights, minibatches and rates, less the points"
        )

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """A model of the standard trainer and its logits."""
        import torch

        state = StandardTrainer().train(task, ids, seed)
        points = len(task.data.train_labels)
        empty_cache = {
            "cache/logits": torch.zeros((points, task.data.classes)),
            "cache/present": torch.zeros(points, dtype=torch.bool),
            "cache/generation": torch.zeros((), dtype=torch.int64),
        }
        return state | self.filled_cache(task, state, empty_cache, ids)

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same model, without logits."""
        return StandardTrainer().retrain(task, ids, seed)

    def filled_cache(
        self, task: Task, model_state: State, cache: State, ids: np.ndarray
    ) -> dict[str, torch.Tensor]:
        """The cache with the logits of a model for more points.

        Args:
            task: The task as the model sees it.
            model_state: The model.
            cache: Holds `cache/logits`, `cache/present` and `cache/generation`; does not change.
            ids: The points whose logits are needed; those that the cache has are not computed.

        Returns:
            Copies of the tensors of the cache, filled.
        """
        import torch

        from unlearn.training.data import normalised
        from unlearn.training.loop import predict
        from unlearn.training.task import index_of

        names = [name for name in cache if name.startswith("cache/")]
        tensors = {name: torch.as_tensor(cache[name]).clone() for name in names}
        index = index_of(ids)[~tensors["cache/present"][ids]]
        if len(index):
            network = task.model(model_state)
            pixels = task.data.train_images[index.to(task.machine.device)]
            tensors["cache/logits"][index] = predict(task, network, pixels)
            tensors["cache/present"][index] = True
            task.meter.forwards(network, normalised(pixels[:1], task.data), len(index))
        return tensors
