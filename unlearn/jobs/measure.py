"""The costs of calls of trainers and methods."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from unlearn.core import seeding
from unlearn.jobs.charges import check_charged
from unlearn.methods.base import Method
from unlearn.requests.request import Step
from unlearn.storage.fleet import StoredState
from unlearn.training import meter
from unlearn.training.loop import fit
from unlearn.training.meter import Meter
from unlearn.training.state import Overlay, State, Update, nbytes
from unlearn.training.task import Task

if TYPE_CHECKING:
    from unlearn.certificates.record import Certificate

Store = Callable[[Mapping[str, np.ndarray]], None]
"""Writes tensors to permanent storage."""

Outcome = tuple[State, Mapping[str, np.ndarray], float]
"""A state, its tensors that changed, and the seconds that were spent on reading."""


class Measure:
    """Calls a trainer or a method, stores the tensors that it changed, and records its cost."""

    def __init__(self, task: Task, store: Store | None, student_task: Task | None = None):
        """Take one training step outside the clock: kernels are compiled, FLOPs are counted.

        Args:
            task: The task of the job.
            store: Writes tensors to permanent storage; it is part of what is timed.
            student_task: The task as the unlearned models see it; None where it is the same.
        """
        self.task = task
        self.store = store or (lambda tensors: None)
        self.costs: list[dict] = []
        self.certificates: list[Certificate | None] = []
        """What the calls of a method claim; None where it claims nothing."""
        self.flops_by_model: dict = {}
        student_task = student_task or task
        self._warm_up(task)
        if student_task is not task:
            self._warm_up(student_task)
        tensors = student_task.new_model(0).state_dict()
        self.network_names = frozenset(tensors)
        """The names of the tensors of an unlearned network."""
        self.model_bytes = sum(tensor.nbytes for tensor in tensors.values())

    def _warm_up(self, task: Task) -> None:
        task.meter = Meter(self.flops_by_model)
        ids = np.arange(min(task.recipe.batch_size, len(task.data.train_labels)))
        recipe = replace(task.recipe, epochs=1)
        fit(task, task.new_model(0), ids, recipe, seeding.derive(0), among=ids)

    def training(self, call: Callable[[], State]) -> State:
        """The state that a trainer's call returns."""

        def outcome() -> Outcome:
            state = call()
            return state, {name: np.asarray(state[name]) for name in state}, 0.0

        return self._measured(outcome)

    def unlearning(self, method: Method, before: State, step: Step, seed: int) -> State:
        """`before` with the update that a method returns laid over it.

        Args:
            method: The method; its call is measured.
            before: The state that the step meets.
            step: The step of the request.
            seed: That of the member.

        Raises:
            ValueError: An update that cannot be, or one whose work was not charged.
        """

        def outcome() -> Outcome:
            start_seconds = _read_seconds(before)
            self.task.progress.begin(activity="unlearning")
            update = method.unlearn(self.task, before, step, seed)
            read_seconds = _read_seconds(before) - start_seconds
            self._keep_certificate(update.certificate)
            self._check(update, before)
            state = Overlay(before, update)
            if method.reads and len(step.retain_ids):
                served_names = self.task.trainer.served(state)
                check_charged(type(method).__name__, self.task.meter, state, before, served_names)
            changes = {name: np.asarray(tensor) for name, tensor in state.written.items()}
            return state, changes, read_seconds

        return self._measured(outcome)

    def _keep_certificate(self, certificate: "Certificate | None") -> None:
        """Add a claim to those of the job, and its numbers to the costs."""
        self.certificates.append(certificate)
        if certificate is not None:
            self.task.meter.count("certified_epsilon", certificate.epsilon)
            self.task.meter.count("gap_bound", certificate.gap)

    def _check(self, update: Update, before: State) -> None:
        """ValueError for a tensor that no network has, or that cannot be removed."""
        names = self.network_names | set(before)
        unknown = [name for name in update.tensors if name not in names and "/" not in name]
        absent = sorted(update.removed - set(before))
        if unknown:
            raise ValueError(
                f"update: no network has a tensor {unknown[0]}; what is stored beside it has a "
                "name with a slash"
            )
        if absent:
            raise ValueError(f"update: {absent[0]} cannot be removed, the state does not have it")

    def flag(self, diverged: bool) -> None:
        """Record that the last call gave a model that is not finite, where it did."""
        self.costs[-1]["diverged"] |= diverged

    def _measured(self, outcome: Callable[[], Outcome]) -> State:
        self.task.meter = Meter(self.flops_by_model)

        def call_and_store() -> State:
            state, changes, read_seconds = outcome()
            start = time.perf_counter()
            if changes:
                self.store(changes)
            self.task.meter.count("io_seconds", read_seconds + time.perf_counter() - start)
            return state

        state, cost = meter.measure(self.task.machine, self.task.meter, call_and_store)
        stored_bytes = sum(nbytes(state, name) for name in state)
        tensors = state.changed_tensors() if isinstance(state, Overlay) else state
        finite = all(np.isfinite(np.asarray(tensors[name])).all() for name in tensors)
        cost["bytes_stored"] = stored_bytes - self.model_bytes
        cost["diverged"] = self.task.meter.diverged or not finite
        self.costs.append(cost)
        return state


def _read_seconds(state: State) -> float:
    """Seconds spent so far on reading the tensors of a stored state."""
    base = state.base if isinstance(state, Overlay) else state
    return base.fleet.read_seconds if isinstance(base, StoredState) else 0.0
