"""Methods on a task of one minibatch an epoch, whose steps can be written down by hand."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from tests.support.conformance import Subject, instance, ninth_ids, ninth_step
from tests.support.streams import served
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import with_validation
from unlearn.training.task import Task

NO_RATE = 1e-30
"""A learning rate that changes no weight, of those that are not zero."""


def plain_task(digits: Dataset, model: str = "cnn1") -> Task:
    """A task of one minibatch an epoch, plain SGD and float32, that may read the validation split."""
    task = Subject(instance("finetune"), digits, model=model).task()
    task.recipe = replace(task.recipe, batch_size=200, momentum=0.0, weight_decay=0.0)
    task.machine = replace(task.machine, precision="float32")
    return with_validation(task, digits)


def retained_ids(digits: Dataset) -> np.ndarray:
    return np.setdiff1d(digits.base_ids, ninth_ids(digits))


def serve_plainly(
    name: str, digits: Dataset, before: Mapping, model: str = "cnn1", **options
) -> tuple[dict[str, torch.Tensor], Task]:
    """The state of a method with a plain task, as tensors."""
    task = plain_task(digits, model)
    state = served(instance(name, **options), task, before, ninth_step(digits))
    return {key: torch.as_tensor(np.asarray(state[key])) for key in state}, task


def moved_names(state: Mapping, before: Mapping) -> set[str]:
    return {name for name in before if not np.array_equal(state[name], before[name])}
