"""How much a model has memorised single points.

References:
    Feldman, "Does learning require memorization? A short tale about a long tail", STOC 2020.
"""

import numpy as np
import torch
from torch.nn import functional

from unlearn.algorithms.charged_gradients import MAX_BATCH_POINTS, chunks
from unlearn.core import seeding
from unlearn.requests.request import Step
from unlearn.training.state import State
from unlearn.training.task import Task


def losses(task: Task, state: State, ids: np.ndarray) -> np.ndarray:
    """The cross-entropy of training points in nats, N; the forward passes are charged."""
    model = task.bare_model(state).eval()
    values = [np.empty(0, dtype=np.float32)]
    for images, labels in chunks(task, ids, MAX_BATCH_POINTS):
        with torch.no_grad():
            values.append(functional.cross_entropy(model(images), labels, reduction="none").cpu())
        task.meter.forwards(model, images)
    return np.concatenate(values)


def memorisation(task: Task, state: State, request: Step, models: int, seed: int) -> np.ndarray:
    """How much more probable a model finds the labels of the deleted points than retrained ones.

    The difference of the probabilities of the label, between -1 and 1, N. Training is charged.

    Args:
        task: Data, recipe, trainer and meter.
        state: The model.
        request: The step.
        models: The retrained models, which never saw the deleted points; their mean is taken.
        seed: Decides their seeds.
    """
    retrained = [
        task.trainer.retrain(task, request.retain_ids, seeding.derive(seed, "scoring model", index))
        for index in range(models)
    ]
    ids = request.deleted_ids
    unseen = np.mean([np.exp(-losses(task, model, ids)) for model in retrained], axis=0)
    return np.exp(-losses(task, state, ids)) - unseen
