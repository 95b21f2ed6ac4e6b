"""Small models that learn by certified full-batch descent, for the tests of what forgets them."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from tests.support.jobs import build, job
from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task
from unlearn.requests.request import Request
from unlearn.training.meter import Meter
from unlearn.training.state import Overlay, Update
from unlearn.training.task import Task

RECIPE = {"epochs": 30, "lr": 3.0, "weight_decay": 0.05}
TRAINERS = {"langevin": "langevin", "descent_to_delete": "descent", "rewind": "rewind"}
"""Method -> the trainer whose models it unlearns."""
LABELS = {"two classes": [3, 8], "three classes": [3, 5, 8]}


@cache
def few_digits(classes: str = "two classes") -> Dataset:
    """A hundred digits of some classes, 10 of them held out."""
    return build("digits", labels=LABELS[classes], pixels="symmetric", subset=100, held_out=0.1)


def certified_task(data: Dataset, method: str, trainer: Mapping | None = None, **recipe) -> Task:
    """The task of a method's trainer."""
    block = {"kind": TRAINERS[method]} | dict(trainer or {})
    return new_task(data, job("bounded_logistic", trainer=block, **(RECIPE | recipe)))


def updates(
    task: Task, method: str, request: Request, seed: int = 0, **options
) -> tuple[list[Update], list[Mapping]]:
    """The update and the state of every step of a request, from a model that is trained first."""
    component = registry.find("methods", method)(**options)
    state: Mapping = task.trainer.train(task, task.data.base_ids, seed)
    step_updates = []
    states = []
    for step in request.steps(len(task.data.train_labels), task.data.base_ids):
        task.meter = Meter()
        update = component.unlearn(task, state, step, seed)
        state = Overlay(state, update)
        step_updates.append(update)
        states.append(state)
    return step_updates, states


def weights_of(task: Task, state: Mapping) -> np.ndarray:
    """The published weights."""
    (name,) = task.trainer.compared(task)
    return np.asarray(state[name])
