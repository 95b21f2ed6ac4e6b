"""What calls of trainers and methods cost."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from unlearn.core import seeding
from unlearn.jobs.predict import Predictor
from unlearn.storage.fleet import StoredState
from unlearn.training import meter
from unlearn.training.loop import fit
from unlearn.training.meter import Meter
from unlearn.training.state import Changed, nbytes
from unlearn.training.task import Task

Store = Callable[[Mapping[str, np.ndarray]], None]


class Measure:
    """Calls a trainer or a method, writes to storage what it changed, and records what it cost."""

    def __init__(self, task: Task, store: Store | None, its: Task | None = None):
        """Takes one step outside the clock: kernels get compiled and FLOPs a sample counted.

        `its`: the task as the models see it that calls return.
        """
        self.task, self.store, its = task, store or (lambda tensors: None), its or task
        self.costs: list[dict] = []
        self.known: dict = {}
        few = np.arange(min(task.recipe["batch_size"], len(task.data.train_labels)))
        for one in (task, its) if its is not task else (task,):
            one.meter = Meter(self.known)
            model, recipe = one.new_model(0), one.recipe | {"epochs": 1}
            fit(one, model, few, recipe, seeding.derive(0), among=few)
        self.model_bytes = sum(t.nbytes for t in its.new_model(0).state_dict().values())

    def __call__(self, call: Callable, *arguments, before: Mapping | None = None) -> Mapping:
        self.task.meter = Meter(self.known)
        state, cost = meter.measure(
            self.task.machine, self.task.meter, lambda: self._stored(before, call, *arguments)
        )
        stored = sum(nbytes(state, name) for name in state)
        finite = all(np.isfinite(tensor).all() for tensor in changed_tensors(state).values())
        self.costs.append(
            cost
            | {
                "bytes_stored": stored - self.model_bytes,
                "diverged": self.task.meter.diverged or not finite,
            }
        )
        return state

    def outcome(self, predict: "Predictor") -> None:
        """Take note if the last state gives logits that are not finite."""
        self.costs[-1]["diverged"] |= not bool(np.isfinite(predict.logits[-1]).all())

    def _stored(self, before: Mapping | None, call: Callable, *arguments) -> Mapping:
        already = _read_seconds(before)
        state = call(*arguments)
        reading = _read_seconds(before) - already
        start = time.perf_counter()
        earlier = before.changes if isinstance(before, Changed) else {}
        new = changed_tensors(
            state, without=earlier
        )  # what earlier steps have written stays as it is
        if new:
            self.store(new)
        self.task.meter.count("io_seconds", reading + time.perf_counter() - start)
        return state


def changed_tensors(
    state: Mapping, without: Mapping = MappingProxyType({})
) -> dict[str, np.ndarray]:
    """The tensors in which a state differs from the one it came from; all, if it does not say.

    Those that are the very objects of `without` are left out.
    """
    found = state.changes if isinstance(state, Changed) else dict(state)
    there = {n: t for n, t in found.items() if t is not None and t is not without.get(n)}
    return {name: np.asarray(tensor) for name, tensor in there.items()}


def _read_seconds(state: Mapping | None) -> float:
    base = state.base if isinstance(state, Changed) else state
    return base.fleet.read_seconds if isinstance(base, StoredState) else 0.0
