"""The two jobs that need torch, a fleet each: train it, unlearn it.

They turn a description of the job (plain dictionaries, as they stand in a rule's parameters) and
an opened data set into states, logits and costs. Files are the caller's business.
"""

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unlearn import costs, machine, models, seeding, training
from unlearn.dataset import Dataset
from unlearn.progress import Progress
from unlearn.requests import Request
from unlearn.task import Data, Task


@dataclass
class Result:
    """What a job leaves, one entry a model; after a request every tensor has the steps first."""

    states: list[Mapping[str, np.ndarray]]
    logits: np.ndarray
    """float32, K x N x C (training) or K x T x N x C (unlearning); N: train, then test points."""
    costs: list
    parameters: list[str]
    """Names of the tensors that an L2 distance compares."""
    machine: Mapping
    """Device, precision, versions."""
    evaluation_seconds: float
    """CPU seconds spent on predictions for the scores, outside the timed calls."""


def new_task(dataset: Dataset, job: Mapping, label: str = "") -> Task:
    """The task that a job describes: `model`, `recipe`, `trainer`, `device`, `precision`."""
    kind, parameters = job["model"]["kind"], job["model"]["parameters"]
    convolutional = models.convolutional(kind)
    here = machine.choose(job["device"], job["precision"], convolutional)
    layout = torch.channels_last if convolutional else torch.contiguous_format
    arrays = (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    )
    about = dataset.description
    data = Data(
        *(torch.from_numpy(array).to(here.device) for array in arrays),
        classes=about["classes"],
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
    )

    def new_model(seed: int) -> torch.nn.Module:
        model = models.seeded(kind, data.shape, data.classes, parameters, seed)
        return model.to(here.device, memory_format=layout)

    trainer = _instance("trainers", job["trainer"])
    recipe = job["recipe"]["parameters"]
    return Task(data, new_model, recipe, here, trainer, progress=Progress(label))


def train(dataset: Dataset, job: Mapping, label: str = "") -> Result:
    """Train the fleet: one model for each of `job["seeds"]`, on the base training set."""
    task = new_task(dataset, job, label)
    known, predict = _warm_up(task), _Predictor(task)
    states, logits, spent = [], [], []
    for seed in job["seeds"]:
        state, cost = _measured(task, known, task.trainer.train, task, dataset.base, seed)
        states.append(state)
        logits.append(predict(state))
        spent.append(cost | _outcome(state, logits[-1]))
    return _result(task, states, logits, spent, predict)


def unlearn(
    dataset: Dataset, job: Mapping, trained: Sequence[Mapping], request: Request, label: str = ""
) -> Result:
    """Unlearn a request, step by step, from each model of the trained fleet."""
    task = new_task(dataset, job, label)
    method = _instance("methods", job["method"])
    known, predict = _warm_up(task), _Predictor(task)
    states, logits, spent = [], [], []
    for k, seed in enumerate(job["seeds"]):
        state, after, outputs, costs_of_steps = trained[k], [], [], []
        for step in request.steps(len(dataset.train_labels), dataset.base):
            state, cost = _measured(task, known, method.unlearn, task, state, step, seed)
            after.append(state)
            outputs.append(predict(state))
            costs_of_steps.append(cost | _outcome(state, outputs[-1]))
        states.append({name: np.stack([s[name] for s in after]) for name in after[0]})
        logits.append(np.stack(outputs))
        spent.append(costs_of_steps)
    return _result(task, states, logits, spent, predict)


def identity(dataset: Dataset, job: Mapping) -> dict[str, str]:
    """What a fleet says of its origin: fleets of other data, models or seeds do not agree."""
    own = {key: job[key] for key in ("model", "recipe", "trainer", "seeds", "precision")}
    text = json.dumps(own, sort_keys=True)
    return {
        "dataset": dataset.description["sha256"],
        "fleet": hashlib.sha256(text.encode()).hexdigest(),
    }


def _instance(family: str, block: Mapping):
    """The class of module `unlearn/<family>/<kind>.py`, constructed with its parameters."""
    module = importlib.import_module(f"unlearn.{family}.{block['kind']}")
    name = "".join(word.capitalize() for word in block["kind"].split("_"))
    return getattr(module, name)(**block["parameters"])


def _warm_up(task: Task) -> dict:
    """One step outside the clock: kernels get compiled and FLOPs a sample counted."""
    task.meter = costs.Meter()
    few = np.arange(min(task.recipe["batch_size"], len(task.data.train_labels)))
    model = task.new_model(0)
    training.fit(task, model, few, task.recipe | {"epochs": 1}, seeding.derive(0), among=few)
    return task.meter.known


def _measured(task: Task, known: dict, call: Callable, *arguments) -> tuple[dict, dict]:
    """The state that `call(*arguments)` returns, as arrays, and what it cost."""
    task.meter = costs.Meter(known)
    state, cost = costs.measure(task.machine, task.meter, lambda: call(*arguments))
    arrays = {name: np.asarray(state[name]) for name in state}
    return arrays, cost | {"bytes_stored": _extra_bytes(task, arrays)}


class _Predictor:
    """Predicts all points for the scores, and adds up the CPU seconds that takes."""

    def __init__(self, task: Task):
        self.task, self.seconds = task, 0.0

    def __call__(self, state: Mapping) -> np.ndarray:
        start = time.process_time()
        data, trainer = self.task.data, self.task.trainer
        logits = [
            trainer.predict(self.task, state, pixels)
            for pixels in (data.train_images, data.test_images)
        ]
        self.seconds += time.process_time() - start
        return torch.cat(logits).numpy()


def _result(task: Task, states: list, logits: list, spent: list, predict: _Predictor) -> Result:
    names = task.trainer.parameters(task)
    machine = task.machine.describe()
    return Result(states, np.stack(logits), spent, names, machine, predict.seconds)


def _outcome(state: Mapping[str, np.ndarray], logits: np.ndarray) -> dict:
    finite = all(np.isfinite(tensor).all() for tensor in state.values())
    return {"diverged": not (finite and bool(np.isfinite(logits).all()))}


def _extra_bytes(task: Task, state: Mapping[str, np.ndarray]) -> int:
    """Bytes kept beyond one model: checkpoints, histories, whatever a trainer stores."""
    model = sum(t.numel() * t.element_size() for t in task.new_model(0).state_dict().values())
    return sum(array.nbytes for array in state.values()) - model
