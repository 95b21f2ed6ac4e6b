"""The conformance suite's methods, models and states, and its checks of any instance of a method.

A check raises AssertionError whose message is one line: the method, its parameters, what is wrong.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.jobs import DEVICE, job
from tests.support.streams import deletions, served, with_pixels
from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.jobs.setup import task_of
from unlearn.methods.base import Method
from unlearn.requests.request import Step
from unlearn.training.meter import FlopCounter, Meter
from unlearn.training.recipe import Recipe
from unlearn.training.task import Task

METHODS = registry.names("methods")

MODELS = {
    "mlp": {"precision": "float32"},
    "cnn1": {"precision": "bfloat16"},
    "resnet9": {"precision": "float32"},
    "air": {"precision": "float32"},
}
"""Architecture -> its precision."""

SIZES = {"resnet9": {"width": 2}, "air": {"width": 2, "whiten": True}}
"""Architecture -> its parameters, where they are not the defaults."""


def described(model: str = "mlp", epochs: int = 8, **keywords) -> FleetJob:
    """The job of a small model."""
    return job(model, epochs=epochs, size=SIZES.get(model), **MODELS[model], **keywords)


def trainer_of(name: str) -> str:
    return registry.find("methods", name).trainer or "standard"


def instance(name: str, **options) -> Method:
    method = registry.find("methods", name)
    return method(**dict(method.conformance) | options)


def versions(method: type[Method]) -> Iterator[Method]:
    """A method at the parameters that the suite runs at: the usual ones, then those it names."""
    yield method(**method.conformance)
    for options in method.conformance_variants:
        yield method(**dict(method.conformance) | dict(options))


def version_name(method: Method, name: str) -> str:
    """The name of a method with the parameters that differ from the defaults."""
    defaults = type(method)().values()
    changes = {key: value for key, value in method.values().items() if value != defaults[key]}
    return "-".join([name, *(f"{key}={value}" for key, value in changes.items())])


def usual_version(name: str) -> str:
    """The name of a method at the parameters that the suite usually runs at."""
    return version_name(instance(name), name)


VERSIONS = {
    version_name(method, name): (name, method)
    for name in METHODS
    for method in versions(registry.find("methods", name))
}


def model_of(method: Method) -> str:
    """The first of the models that a method supports."""
    supported_models = [
        model
        for model in MODELS
        if method.supports(Setting(model=registry.find("models", model)())) is None
    ]
    return supported_models[0]


CASES = [(version, model_of(method)) for version, (_, method) in VERSIONS.items()]
CASES += [(usual_version(name), model) for model in MODELS if model != "mlp" for name in METHODS]
CASES = list(dict.fromkeys(CASES))
"""Version and model of a subject: every version of a method on one model, its usual one on all."""


MAX_FLOPS_PER_CHARGED = 1.1
"""Arithmetic that torch sees, in units of what is charged: gradients of single points take more."""


def facts(data: Dataset) -> DataFacts:
    """What a plan knows of the digits."""
    points = len(data.train_labels)
    return DataFacts("digits", 10, (8, 8, 1), points, len(data.held_out_ids))


def setting(task: Task, data: DataFacts, method: Method) -> Setting:
    """The setting of a method with a task."""
    return Setting(
        data=data,
        model=task.architecture,
        recipe=task.recipe,
        trainer=task.trainer,
        method=method,
    )


def request(data: Dataset, ids: np.ndarray) -> Step:
    return next(iter(deletions(ids).steps(len(data.train_labels), data.base_ids)))


def ninth_ids(data: Dataset) -> np.ndarray:
    """Every ninth point of base training."""
    return data.base_ids[::9]


def ninth_step(data: Dataset) -> Step:
    """The deletion of every ninth point."""
    return request(data, ninth_ids(data))


def arrays(state: Mapping) -> dict[str, np.ndarray]:
    return {name: np.asarray(state[name]) for name in state}


def checksum(state: Mapping) -> str:
    sha = hashlib.sha256()
    for name in sorted(state):
        sha.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return sha.hexdigest()


@dataclass(frozen=True)
class Subject:
    """An instance of a method, and the small model that it unlearns; it need not be registered."""

    method: Method
    data: Dataset
    name: str = ""
    model: str = "mlp"

    def __str__(self) -> str:
        return version_name(self.method, self.name or type(self.method).__name__)

    def task(self, data: Dataset | None = None) -> Task:
        """A new task of the method, as its job makes it."""
        trainer = type(self.method).trainer or "standard"
        block = described(self.model, trainer={"kind": trainer})
        return task_of(
            data or self.data,
            registry.create("models", block.model),
            Recipe(**block.recipe),
            registry.create("trainers", block.trainer),
            device=DEVICE,
            precision=block.precision,
            reads_validation="validation" in self.method.reads,
        )

    def trained(self, data: Dataset | None = None) -> dict[str, np.ndarray]:
        """A trained model of this or of other data, seed 0."""
        task = self.task(data)
        return arrays(task.trainer.train(task, task.data.base_ids, 0))

    def serve(
        self,
        trained: Mapping,
        data: Dataset | None = None,
        step: Step | None = None,
        seed: int = 0,
    ) -> tuple[dict[str, np.ndarray], Task]:
        """The state after a step, by default the deletion of a ninth; and the task, settled."""
        data = data or self.data
        task = self.task(data)
        state = served(self.method, task, trained, step or ninth_step(data), seed)
        task.meter.settle()
        return arrays(state), task

    def changes(self, trained: Mapping, state: Mapping) -> bool:
        """Whether what predictions need has changed."""
        names = self.task().trainer.served(trained)
        return any(not np.array_equal(state.get(name), trained[name]) for name in names)


def check_work(subject: Subject, trained: Mapping) -> None:
    """Weights that change are charged, and no less than the arithmetic that torch sees."""
    state, task = subject.serve(trained)
    meter = task.meter
    work = meter.gradient_evaluations + meter.forward_evaluations + meter.optimizer_steps
    if not subject.method.reads:  # arithmetic on weights is no work on points
        assert work == meter.flops == 0, f"{subject}: reads no point and charges {work}"
    elif subject.changes(trained, state):
        assert work > 0, f"{subject}: changes weights and charges nothing"
    assert (work > 0) is (meter.flops > 0), f"{subject}: charges {work} passes, no FLOPs"
    task = subject.task()
    task.meter = Meter(meter.flops_by_model)  # else it counts what a sample takes once more
    with FlopCounter() as counter:
        served(subject.method, task, trained, ninth_step(subject.data))
    task.meter.settle()
    assert counter.flops <= MAX_FLOPS_PER_CHARGED * task.meter.flops, (
        f"{subject}: charges {task.meter.flops} FLOPs and does {counter.flops}"
    )


def check_reads(subject: Subject, trained: Mapping) -> None:
    """Points whose use is not declared can be destroyed without being missed."""
    data = subject.data
    ids = ninth_ids(data)
    state, task = subject.serve(trained)
    reads = subject.method.reads
    assert (task.data.validation is None) is ("validation" not in reads)
    unread = {"forget": ids, "retain": np.setdiff1d(data.base_ids, ids)}
    for split in sorted(unread.keys() - set(reads)):
        other, _ = subject.serve(trained, with_pixels(data, unread[split], 77))
        assert checksum(state) == checksum(other), (
            f"{subject}: declares to read {sorted(reads)} and reads the {split} set"
        )


def check_test_set(subject: Subject, trained: Mapping) -> None:
    """The test set can be destroyed without being missed, and no file is read."""
    data = subject.data
    with opened_files() as paths:
        state, _ = subject.serve(trained)
    assert not paths, f"{subject}: reads a file while it unlearns: {paths[0]}"
    destroyed = replace(
        data, test_images=255 - data.test_images, test_labels=(data.test_labels + 1) % 10
    )
    other, _ = replace(subject, data=destroyed).serve(trained)
    assert checksum(state) == checksum(other), f"{subject}: reads the test set"


def check_exact(subject: Subject, trained: Mapping) -> None:
    """What is called exact knows nothing of the deleted points.

    Its result does not change where they are destroyed before training. A method that is as exact
    as its trainer gives what retraining gives, to the bit.
    """
    data = subject.data
    task = subject.task()
    promise = subject.method.guarantee_for(setting(task, facts(data), subject.method))
    if promise.level != "exact":
        return
    ids = ninth_ids(data)
    state, task = subject.serve(trained)
    names = task.trainer.served(state)
    if type(subject.method).guarantee == "exact":
        oracles = retrained(subject, np.setdiff1d(data.base_ids, ids))
        assert any(_is_same(state, oracle, names) for oracle in oracles), (
            f"{subject}: declares exact and differs from retraining"
        )
    labels = data.train_labels.copy()
    labels[ids] = (labels[ids] + 1) % 10
    destroyed = replace(with_pixels(data, ids, 77), train_labels=labels)
    other, _ = subject.serve(subject.trained(destroyed), destroyed)
    assert _is_same(state, other, names), (
        f"{subject}: declares exact and depends on the deleted points"
    )


def retrained(subject: Subject, retain_ids: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """The oracle, in every order that its trainer offers."""
    for order in subject.task().trainer.orders:
        task = subject.task()
        if order == "recut":
            task = replace(task, ordered_ids=retain_ids)
        yield arrays(task.trainer.retrain(task, retain_ids, 0))


def _is_same(state: Mapping, other: Mapping, names: list[str]) -> bool:
    return all(name in other and np.array_equal(state[name], other[name]) for name in names)


CODE = {".py", ".pyc", ".so"}
SYSTEM = ("/proc/", "/sys/", "/dev/")

_listeners: list[list[str]] = []


def _record(event: str, arguments: tuple) -> None:
    """Hand the path of a file that is opened to those who listen."""
    if event != "open" or not _listeners or not isinstance(arguments[0], (str, bytes, Path)):
        return
    path = str(Path(arguments[0] if not isinstance(arguments[0], bytes) else arguments[0].decode()))
    if Path(path).suffix not in CODE and not path.startswith(SYSTEM):
        for listener in _listeners:
            listener.append(path)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The files that are opened in a block, those with code left out."""
    if not hasattr(sys, "_unlearn_file_listener"):
        sys.addaudithook(_record)
        sys._unlearn_file_listener = True
    paths: list[str] = []
    _listeners.append(paths)
    try:
        yield paths
    finally:
        _listeners.remove(paths)


def skip_unsupported(subject: Subject) -> None:
    """Skip a test of a model that the method or its trainer cannot work with."""
    task = subject.task()
    place = setting(task, facts(subject.data), subject.method)
    for component in (task.trainer, subject.method):
        reason = component.supports(place)
        if reason:
            pytest.skip(f"{type(component).__name__}: {reason}")
