"""Unlearn one request from a trained fleet with one method."""

from collections.abc import Mapping, Sequence

import numpy as np

from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.jobs import guards
from unlearn.jobs.description import FleetJob
from unlearn.jobs.measure import Measure, Store
from unlearn.jobs.predict import NO_LOGITS, Predictor
from unlearn.jobs.result import Result
from unlearn.jobs.setup import new_task
from unlearn.requests.request import Request
from unlearn.storage.files import digest
from unlearn.training.state import Overlay, State

ORACLE_METHOD = "retrain"
"""The registered name of the method that is the oracle."""


def unlearn_fleet(
    dataset: Dataset,
    job: FleetJob,
    trained: Sequence[State],
    request: Request,
    *,
    label: str = "",
    store: Store | None = None,
    constituents: Mapping[str, np.ndarray] = NO_LOGITS,
) -> Result:
    """Unlearn a request, step by step, from each model of the trained fleet.

    Args:
        dataset: The data set.
        job: The method and the members.
        trained: The state that each member starts from.
        request: What is deleted and added, relative to base training.
        label: The beginning of progress reports.
        store: Writes tensors to permanent storage; it is part of what is timed.
        constituents: Those of the training job's result; they save predictions, nothing else.

    Raises:
        ValueError: A point that the request cannot delete or add, or what the method raises.
    """
    train_points = len(dataset.train_labels)
    for _ in request.steps(train_points, dataset.base_ids):  # check every step before any work
        pass
    task = new_task(dataset, job, label)
    method = registry.create("methods", job.method)
    student_task = method.student_task(task)
    measure = Measure(task, store, student_task)
    predictor = Predictor(student_task, dataset, request, constituents)
    compared = student_task.trainer.compared(student_task)
    states = []
    private_digests: list[list[dict[str, str]]] = []
    superseded: set[str] = set()
    base_ids = [member.train_ids(dataset.base_ids) for member in job.members]
    for member, member_ids, original in zip(job.members, base_ids, trained, strict=True):
        state = original
        served_names = task.trainer.served(original)
        trained_digest = guards.model_digest(original, served_names)
        weights: dict[str, list] = {name: [] for name in compared}
        private_digests.append([])
        member_request = request if member.subset is None else request.within(member_ids)
        for step in member_request.steps(train_points, member_ids):
            task.data.fed[:] = False
            state = measure.unlearning(method, state, step, member.method_seed)
            if job.method["kind"] == ORACLE_METHOD:
                guards.check_oracle(task.data.fed, step.forget_ids)
            private_digests[-1].append(_private_digests(measure, state))
            predictor.add(state)
            measure.flag(diverged=not np.isfinite(predictor.logits[-1]).all())
            if method.continues and step.index > 1:  # a broken model is built upon
                measure.flag(diverged=measure.costs[-2]["diverged"])
            for name in compared:
                weights[name].append(np.asarray(state[name]))
        after = guards.model_digest(original, served_names)
        guards.check_teacher(trained_digest, after, type(method).__name__)
        changes = state.changed_tensors()
        tensors = {name: np.stack(values) for name, values in weights.items()}
        for name in task.trainer.served(state):
            if name in changes and name not in tensors:
                tensors[name] = changes[name][None]
        states.append(tensors)
        superseded |= set(state.changes) & set(original)
    steps = len(request.deletions)
    shape = (len(job.members), steps)
    starts = range(0, len(measure.costs), steps)
    return Result(
        states=states,
        logits=np.stack(predictor.logits).reshape(*shape, *predictor.logits[0].shape),
        votes=np.stack(predictor.votes).reshape(*shape, *predictor.votes[0].shape),
        ids=predictor.ids,
        costs=[measure.costs[start : start + steps] for start in starts],
        certificates=_certificates(measure, steps),
        private_digests=private_digests if any(measure.certificates) else [],
        compared=compared,
        superseded=sorted(superseded),
        machine=task.machine.describe(),
        evaluation_seconds=predictor.seconds,
        train_ids_sha256=[digest(ids) for ids in base_ids],
    )


def _private_digests(measure: Measure, state: Overlay) -> dict[str, str]:
    """Digests of changed tensors that predictions do not need, after a call with a claim."""
    if measure.certificates[-1] is None:
        return {}
    served_names = set(measure.task.trainer.served(state))
    tensors = state.changed_tensors()
    return {name: digest(tensors[name]) for name in sorted(tensors) if name not in served_names}


def _certificates(measure: Measure, steps: int) -> list[list[dict | None]]:
    """The claims of the method, K x T, as JSON has them; empty where there is none."""
    records = [claim and claim.to_json() for claim in measure.certificates]
    if not any(records):
        return []
    return [records[start : start + steps] for start in range(0, len(records), steps)]
