"""One model, trained as always, that keeps its logits of the training points, to teach students."""

import numpy as np

from unlearn.core.guarantee import Guarantee
from unlearn.trainers.base import Trainer
from unlearn.trainers.standard import Standard


class Teacher(Trainer):
    """The standard trainer, with the logits of all training points, so that it can teach students.

    A state has, beside the parameters and buffers of the model:

    `cache/logits`      float32 N x C, logits of the points that it was trained on, 0 elsewhere
    `cache/present`     bool N, which points these are
    `cache/generation`  int64, how many students lie between the first teacher and this model
    `teacher/...`       after a request, the tensors of the teacher, where it will be asked again
    """

    controls = "standard"
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

    def train(self, task, ids: np.ndarray, seed: int):
        """A model of the standard trainer and its logits."""
        import torch

        state = Standard().train(task, ids, seed)
        points = len(task.data.train_labels)
        empty_cache = {
            "cache/logits": torch.zeros((points, task.data.classes)),
            "cache/present": torch.zeros(points, dtype=torch.bool),
            "cache/generation": torch.zeros((), dtype=torch.int64),
        }
        return state | self.filled_cache(task, state, empty_cache, ids)

    def retrain(self, task, ids: np.ndarray, seed: int):
        """The same model, without logits."""
        return Standard().retrain(task, ids, seed)

    def filled_cache(self, task, model_state, cache, ids: np.ndarray) -> dict:
        """The tensors of `cache`, copied, with the logits that a model gives for `ids` added."""
        import torch

        from unlearn.training.data import normalised
        from unlearn.training.loop import predict
        from unlearn.training.task import index_of

        names = [name for name in cache if name.startswith("cache/")]
        filled = {name: torch.as_tensor(cache[name]).clone() for name in names}
        absent = index_of(ids)[~filled["cache/present"][ids]]
        if len(absent):
            network = task.model(model_state)
            pixels = task.data.train_images[absent.to(task.machine.device)]
            filled["cache/logits"][absent] = predict(task, network, pixels)
            filled["cache/present"][absent] = True
            task.meter.forwards(network, normalised(pixels[:1], task.data), len(absent))
        return filled
