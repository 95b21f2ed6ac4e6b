"""Train the fleet of one model with one trainer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.jobs import guards
from unlearn.jobs.description import FleetJob
from unlearn.jobs.measure import Measure, Store
from unlearn.jobs.predict import Predictor
from unlearn.jobs.result import Result
from unlearn.jobs.setup import new_task
from unlearn.requests.request import Request
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
    predictor = Predictor(task, dataset)
    ids = [member.train_ids(dataset.base_ids) for member in job.members]
    return _fleet(
        job,
        Measure(task, store),
        predictor,
        ids,
        lambda member, member_ids: _trained(task, job, member),
    )


def retrain_fleet(
    dataset: Dataset,
    job: FleetJob,
    request: Request,
    label: str = "",
    store: Store | None = None,
) -> Result:
    """Train one model for each member on what a request keeps: a population of oracles.

    These are ordinary trainings on other points: their minibatches are cut anew, and no original
    of their seeds exists. `Retrain` makes the oracles that are paired with originals.

    Args:
        dataset: The data set.
        job: Architecture, recipe, trainer and members; these are without a subset.
        request: The points after its last step are trained on.
        label: The beginning of progress reports.
        store: Writes tensors to permanent storage; it is part of what is timed.

    Returns:
        The states, predictions and costs of the members.

    Raises:
        ValueError: The trainer cannot train the model, or the request cannot be.
    """
    *_, last_step = request.steps(len(dataset.train_labels), dataset.base_ids)
    task = new_task(dataset, job, label)
    if "recut" in task.trainer.orders:
        task = replace(task, ordered_ids=last_step.retain_ids)
    predictor = Predictor(task, dataset, request)

    def train(member: Member, ids: np.ndarray) -> State:
        task.data.fed[:] = False
        state = task.trainer.retrain(task, ids, member.seed)
        guards.check_oracle(task.data.fed, last_step.forget_ids)
        return state

    return _fleet(
        job,
        Measure(task, store),
        predictor,
        [last_step.retain_ids] * len(job.members),
        train,
    )


def _fleet(
    job: FleetJob,
    measure: Measure,
    predictor: Predictor,
    ids: Sequence[np.ndarray],
    train: Callable[[Member, np.ndarray], State],
) -> Result:
    """The states, predictions and costs of the members.

    Args:
        job: The job.
        measure: Measures the training.
        predictor: Predicts the evaluated points.
        ids: The training ids of each member.
        train: Trains a member on its ids.
    """
    states = []
    constituents: dict[str, np.ndarray] = {}
    for member, member_ids in zip(job.members, ids, strict=True):
        state = measure.training(
            lambda member=member, member_ids=member_ids: train(member, member_ids)
        )
        predictor.add(state)
        measure.flag(diverged=not np.isfinite(predictor.logits[-1]).all())
        constituents |= predictor.constituents()
        states.append({name: np.asarray(state[name]) for name in state})
    task = measure.task
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
        train_ids_sha256=[digest(member_ids) for member_ids in ids],
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
