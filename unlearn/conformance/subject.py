"""The subjects of the conformance suite: instances of a method, and small models of digits."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.data.dataset import Dataset, build
from unlearn.jobs.setup import task_of
from unlearn.methods.base import Method
from unlearn.requests.request import NO_IDS, Request, Step
from unlearn.trainers.base import Trainer
from unlearn.training.recipe import Recipe
from unlearn.training.state import Overlay
from unlearn.training.task import Task

DEVICE = os.environ.get("UNLEARN_TEST_DEVICE", "cpu")
"""Where the models train; `UNLEARN_TEST_DEVICE=cuda` puts the suite on a GPU."""

MODELS = {
    "mlp": "float32",
    "cnn1": "bfloat16",
    "resnet9": "float32",
    "air": "float32",
    "logistic": "float32",
    "bounded_logistic": "float32",
}
"""Architecture -> its precision. A method runs on the first that it supports."""

SIZES: dict[str, dict[str, Any]] = {
    "resnet9": {"width": 2},
    "air": {"width": 2, "whiten": True},
}
"""Architecture -> its parameters, where they are not the defaults."""

RECIPE = {"epochs": 8, "batch_size": 32, "lr": 0.1}
"""Parameters of the recipe, where they are not the defaults."""

SMALL_FACTS = DataFacts("digits", 10, (8, 8, 1), points=200, held_out=40)
"""What a plan knows of `small_digits`."""

MISLABELLED_POINTS = 100


def digits(**options: Any) -> Dataset:
    """The digits with these options; all training points are evaluated."""
    source = registry.find("data", "digits")(**{"retain_sample": None} | options)
    return build(source, "digits", Path("unused"))


@cache
def small_digits() -> Dataset:
    """200 digits, 40 of them held out of base training."""
    return digits(subset=SMALL_FACTS.points, held_out=SMALL_FACTS.held_out / SMALL_FACTS.points)


@cache
def mislabelled_digits() -> Dataset:
    """600 digits, of which `mislabelled_ids` have a wrong label."""
    data = digits(subset=600)
    random = np.random.default_rng(0)
    labels = data.train_labels.copy()
    ids = mislabelled_ids()
    labels[ids] = (labels[ids] + random.integers(1, 10, len(ids))) % 10
    return replace(data, train_labels=labels)


@cache
def mislabelled_ids() -> np.ndarray:
    """The sorted ids of the mislabelled digits."""
    return np.sort(np.random.default_rng(1).permutation(600)[:MISLABELLED_POINTS])


def facts(data: Dataset) -> DataFacts:
    """What a plan knows of digits."""
    return replace(SMALL_FACTS, points=len(data.train_labels), held_out=len(data.held_out_ids))


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
    """The step that deletes these ids."""
    deletions = np.sort(np.asarray(ids, dtype=np.int64))
    return first_step(data, Request([deletions], [NO_IDS]))


def first_step(data: Dataset, whole: Request) -> Step:
    """The first step of a request."""
    return next(iter(whole.steps(len(data.train_labels), data.base_ids)))


def ninth_ids(data: Dataset) -> np.ndarray:
    """Every ninth point of base training."""
    return data.base_ids[::9]


def ninth_step(data: Dataset) -> Step:
    """The deletion of every ninth point."""
    return request(data, ninth_ids(data))


def with_pixels(data: Dataset, ids: np.ndarray, value: int | np.ndarray) -> Dataset:
    """The data set with the training images `ids` set to a value."""
    images = data.train_images.copy()
    images[ids] = value
    return replace(data, train_images=images)


def arrays(state: Mapping) -> dict[str, np.ndarray]:
    """The tensors of a state as numpy arrays, by name."""
    return {name: np.asarray(state[name]) for name in state}


def checksum(state: Mapping) -> str:
    """SHA-256 of the names and tensors of a state."""
    sha = hashlib.sha256()
    for name in sorted(state):
        sha.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return sha.hexdigest()


def architecture(model: str) -> Any:
    """The architecture of a name, at the size of the suite."""
    return registry.find("models", model)(**SIZES.get(model, {}))


def trainer_of(method: type[Method] | Method) -> str:
    """The name of the trainer whose models a method unlearns."""
    return method.trainer or "standard"


def recipe_for(trainer: Trainer, model: str) -> Recipe:
    """The recipe of the suite, without momentum and schedule where the trainer allows none."""
    recipe = Recipe(**RECIPE)
    for changes in ({}, {"momentum": 0.0}, {"momentum": 0.0, "schedule": "constant"}):
        recipe = replace_values(recipe, **changes)
        place = Setting(SMALL_FACTS, architecture(model), recipe, trainer)
        if trainer.supports(place) is None:
            break
    return recipe


def replace_values(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other values."""
    return Recipe(**recipe.values() | changes)


def refusal(method: Method, model: str) -> str | None:
    """Why a method or its trainer cannot work with a model; None where both can."""
    trainer = registry.find("trainers", trainer_of(method))()
    recipe = recipe_for(trainer, model)
    place = Setting(SMALL_FACTS, architecture(model), recipe, trainer, method)
    reasons = [component.supports(place) for component in (trainer, method)]
    return next((reason for reason in reasons if reason), None)


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


@cache
def trained_state(
    load: Callable[[], Dataset], model: str, trainer: str, epochs: int
) -> dict[str, np.ndarray]:
    """A trained model of seed 0, trained once a process; to be left as it is."""
    subject = Subject(_Trained(trainer), load(), model=model)
    task = subject.task(epochs=epochs)
    return arrays(task.trainer.train(task, task.data.base_ids, 0))


@dataclass(frozen=True)
class _Trained:
    """What a task reads of a method, where no method runs."""

    trainer: str
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Subject:
    """An instance of a method, and the small model that it unlearns; it need not be registered."""

    method: Any
    data: Dataset
    name: str = ""
    model: str = "mlp"
    usual_results: dict[int, tuple] = field(default_factory=dict, init=False, repr=False)
    """The results of `usual`, by the identity of the trained model."""

    def __str__(self) -> str:
        return version_name(self.method, self.name or type(self.method).__name__)

    def task(self, data: Dataset | None = None, **recipe_changes: Any) -> Task:
        """A new task of the method, as its job makes it."""
        trainer = registry.find("trainers", trainer_of(self.method))()
        return task_of(
            data or self.data,
            architecture(self.model),
            replace_values(recipe_for(trainer, self.model), **recipe_changes),
            trainer,
            device=DEVICE,
            precision=MODELS[self.model],
            reads_validation="validation" in self.method.reads,
        )

    def trained(self, data: Dataset | None = None) -> dict[str, np.ndarray]:
        """A trained model of this or of other data, seed 0."""
        if data is None and self.data is small_digits():
            trainer = trainer_of(self.method)
            shared = trained_state(small_digits, self.model, trainer, RECIPE["epochs"])
            return {name: value.copy() for name, value in shared.items()}
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
        step = step or ninth_step(data)
        state = Overlay(trained, self.method.unlearn(task, trained, step, seed))
        task.meter.settle()
        return arrays(state), task

    def usual(self, trained: Mapping) -> tuple[dict[str, np.ndarray], Task]:
        """The result of `serve` at its defaults, computed once; to be left as it is."""
        if id(trained) not in self.usual_results:
            state, task = self.serve(trained)
            self.usual_results[id(trained)] = (trained, state, task)  # keeps the identity taken
        _, state, task = self.usual_results[id(trained)]
        return state, task

    def changes(self, trained: Mapping, state: Mapping) -> bool:
        """Whether what predictions need has changed."""
        names = self.task().trainer.served(trained)
        return any(not np.array_equal(state.get(name), trained[name]) for name in names)

    def is_same(self, state: Mapping, other: Mapping) -> bool:
        """Whether all that predictions of a state need is in another one, to the bit."""
        names = self.task().trainer.served(state)
        return all(name in other and np.array_equal(state[name], other[name]) for name in names)
