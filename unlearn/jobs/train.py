"""Train the fleet of one model with one trainer."""

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.jobs.measure import Measure, Store
from unlearn.jobs.predict import Predictor
from unlearn.jobs.result import Result
from unlearn.jobs.setup import new_task
from unlearn.storage.files import digest


def train_fleet(
    dataset: Dataset, job: FleetJob, label: str = "", store: Store | None = None
) -> Result:
    """Train one model for each member, on base training or on the member's subset of it.

    Args:
        dataset: The data set.
        job: Architecture, recipe, trainer and members.
        label: The beginning of progress reports.
        store: Writes tensors to permanent storage; it is part of what is timed.

    Returns:
        The states, predictions and costs of the members.

    Raises:
        ValueError: The trainer cannot train the model.
    """
    task = new_task(dataset, job, label)
    measure = Measure(task, store)
    predictor = Predictor(task, dataset)
    states = []
    constituents: dict[str, np.ndarray] = {}
    for member in job.members:
        ids = member.train_ids(dataset.base_ids)
        state = measure.training(
            lambda ids=ids, seed=member.seed: task.trainer.train(task, ids, seed)
        )
        predictor.add(state)
        measure.flag(diverged=not np.isfinite(predictor.logits[-1]).all())
        constituents |= predictor.constituents()
        states.append({name: np.asarray(state[name]) for name in state})
    return Result(
        states=states,
        logits=np.stack(predictor.logits),
        votes=np.stack(predictor.votes),
        ids=predictor.ids,
        costs=measure.costs,
        compared=task.trainer.compared(task),
        superseded=[],
        machine=task.machine.describe(),
        evaluation_seconds=predictor.seconds,
        train_ids_sha256=[digest(m.train_ids(dataset.base_ids)) for m in job.members],
        constituents=constituents,
    )
