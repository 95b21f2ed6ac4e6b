"""Train the fleet of one model with one trainer."""

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.jobs.measure import Measure, Store
from unlearn.jobs.predict import Predictor
from unlearn.jobs.result import Result
from unlearn.jobs.setup import new_task
from unlearn.storage.files import UserFileError, digest
from unlearn.storage.user_files import read_checkpoint
from unlearn.training.fleet import Member
from unlearn.training.state import State, state_of
from unlearn.training.task import Task


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
        state = measure.training(lambda member=member: _trained(task, job, member))
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


def _trained(task: Task, job: FleetJob, member: Member) -> State:
    """The state of a member: trained, or read from a checkpoint."""
    if job.checkpoint is None:
        (state,) = task.trainer.train_many(task, [member])
        return state
    path = job.checkpoint.replace("{seed}", str(member.seed))
    model = task.new_model(0)
    try:
        model.load_state_dict(read_checkpoint(path))
    except RuntimeError as error:
        raise UserFileError(f"{path}: is of another architecture: {error}") from error
    return state_of(model)
