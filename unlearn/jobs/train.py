"""Train the fleet of one model with one trainer."""

from collections.abc import Mapping

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.jobs.measure import Measure, Store
from unlearn.jobs.predict import Predictor
from unlearn.jobs.result import Result
from unlearn.jobs.setup import new_task


def train_fleet(
    dataset: Dataset, job: Mapping, label: str = "", store: Store | None = None
) -> Result:
    """Train the fleet: one model for each of `job["seeds"]`, on the base training set.

    `store` writes tensors to permanent storage; it is part of what is timed.
    """
    task = new_task(dataset, job, label)
    measure, predict = Measure(task, store), Predictor(task, dataset)
    states, constituents = [], {}
    for seed in job["seeds"]:
        state = measure(task.trainer.train, task, dataset.base, seed)
        predict(state)
        measure.outcome(predict)
        constituents |= predict.constituents()
        states.append({name: np.asarray(state[name]) for name in state})
    return Result(
        states=states,
        logits=np.stack(predict.logits),
        votes=np.stack(predict.votes),
        costs=measure.costs,
        parameters=task.trainer.parameters(task),
        superseded=[],
        machine=task.machine.describe(),
        evaluation_seconds=predict.seconds,
        constituents=constituents,
    )
