"""The jobs that need torch: train a fleet, unlearn from it, make noise for training images.

They turn a description of the job (plain dictionaries, as they stand in a rule's parameters) and
an opened data set into states, outputs and costs. Files are the caller's business.
"""

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch

from unlearn import artifacts, costs, machine, models, seeding, training
from unlearn.dataset import Dataset
from unlearn.predictions import Predictor
from unlearn.progress import Progress
from unlearn.requests import Request
from unlearn.task import Changed, Data, Task, nbytes


@dataclass
class Result:
    """What a job leaves, one entry a model."""

    states: list[Mapping[str, np.ndarray]]
    """After training the whole state. After a request, steps first: the tensors that a distance
    compares after every step; of the others that predictions need, those that changed, after the
    last step alone."""
    logits: np.ndarray
    """float32, K x P x C (training) or K x T x P x C (unlearning); P: the evaluated training
    points (see `Dataset.evaluated`), then all test points."""
    votes: np.ndarray
    """int16, K x S x P or K x T x S x P: the class that each of S constituents predicts, -1 where
    a constituent is absent; S is 0 for a single model."""
    costs: list
    parameters: list[str]
    """Names of the tensors that an L2 distance compares."""
    superseded: list[str]
    """Tensors of the trained state that a service must delete now, where the method says so."""
    machine: Mapping
    """Device, precision, versions."""
    evaluation_seconds: float
    """CPU seconds spent on predictions for the scores, outside the timed calls."""
    constituents: Mapping[str, np.ndarray] = field(default_factory=dict)
    """After training: float32 P x C, what every constituent of an ensemble says of the sample,
    then of all test points, by a digest of its weights: once asked it need not be asked again."""


Store = Callable[[Mapping[str, np.ndarray]], None]


def new_task(dataset: Dataset, job: Mapping, label: str = "") -> Task:
    """The task that a job describes: `model`, `recipe`, `trainer`, `device`, `precision`."""
    here = machine.choose(job["device"], job["precision"], False).device
    about = dataset.description
    arrays = (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    )
    data = Data(
        *(torch.from_numpy(array).to(here) for array in arrays),
        base=dataset.base,
        classes=about["classes"],
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
        levels=about["levels"],
    )

    def architectures(kind: str, parameters: Mapping) -> tuple[Callable, machine.Machine]:
        convolutional = models.convolutional(kind)
        chosen = machine.choose(job["device"], job["precision"], convolutional)
        layout = torch.channels_last if convolutional else torch.contiguous_format

        def new_model(seed: int) -> torch.nn.Module:
            model = models.seeded(kind, data.shape, data.classes, parameters, seed)
            return model.to(chosen.device, memory_format=layout)

        return new_model, chosen

    new_model, chosen = architectures(job["model"]["kind"], job["model"]["parameters"])
    return Task(
        data,
        new_model,
        recipe=job["recipe"]["parameters"],
        machine=chosen,
        trainer=_instance("trainers", job["trainer"]),
        architectures=architectures,
        progress=Progress(label),
    )


def train(dataset: Dataset, job: Mapping, label: str = "", store: Store | None = None) -> Result:
    """Train the fleet: one model for each of `job["seeds"]`, on the base training set.

    `store` writes tensors to permanent storage; it is part of what is timed.
    """
    task = new_task(dataset, job, label)
    measure, predict = _Measure(task, store), Predictor(task, dataset)
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


def unlearn(
    dataset: Dataset,
    job: Mapping,
    trained: Sequence[Mapping],
    request: Request,
    label: str = "",
    store: Store | None = None,
    constituents: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Result:
    """Unlearn a request, step by step, from each model of the trained fleet.

    `constituents`: those of the training job's result; they save predictions, nothing else.
    """
    task = new_task(dataset, job, label)
    method = _instance("methods", job["method"])
    steps = list(request.steps(len(dataset.train_labels), dataset.base))
    # a method whose models are of another architecture says so
    its = method.models(task) if hasattr(method, "models") else task
    measure, predict = _Measure(task, store, its), Predictor(its, dataset, request, constituents)
    compared, states, superseded = its.trainer.parameters(its), [], set()
    continues = getattr(method, "continues", False)
    for k, seed in enumerate(job["seeds"]):
        state, weights = trained[k], {name: [] for name in compared}
        for step in steps:
            state = measure(method.unlearn, task, state, step, seed, before=state)
            predict(state)
            measure.outcome(predict)
            if continues and step.index > 1:  # what grew out of a broken model is no result
                measure.costs[-1]["diverged"] |= measure.costs[-2]["diverged"]
            for name in compared:
                weights[name].append(np.asarray(state[name]))
        changes = _changes(state)
        kept = {n: np.stack(tensors) for n, tensors in weights.items()}
        served = [n for n in task.trainer.served(state) if n in changes and n not in kept]
        states.append(kept | {name: changes[name][None] for name in served})
        superseded |= set(state.changes) & set(trained[k]) if isinstance(state, Changed) else set()
    shape = (len(job["seeds"]), len(steps))
    return Result(
        states=states,
        logits=np.stack(predict.logits).reshape(*shape, *predict.logits[0].shape),
        votes=np.stack(predict.votes).reshape(*shape, *predict.votes[0].shape),
        costs=[measure.costs[i : i + shape[1]] for i in range(0, shape[0] * shape[1], shape[1])],
        parameters=compared,
        superseded=sorted(superseded),
        machine=task.machine.describe(),
        evaluation_seconds=predict.seconds,
    )


def make_noise(dataset: Dataset, job: Mapping, label: str = "") -> tuple[np.ndarray, dict]:
    """Noise for the training images, int8 like them, 0 outside base training; and its record:
    whether and how the search ended, what it cost, its share of negative and its largest steps.

    `job["noise"]` names it, `job["model"]` the model that it is made with.
    """
    task = new_task(dataset, job, label)
    task.meter = costs.Meter()
    maker = _instance("noises", job["noise"])
    (made, record), cost = costs.measure(
        task.machine, task.meter, lambda: maker.make(task, dataset.base)
    )
    values = np.zeros(dataset.train_images.shape, dtype=np.int8)
    values[dataset.base] = made
    counted = ("wall_seconds", "gradient_evaluations", "forward_evaluations", "flops")
    about = {"kind": job["noise"]["kind"], **job["noise"]["parameters"]}
    return values, record | {
        "parameters": about,
        "negative": float((made < 0).mean()),
        "largest": int(np.abs(made.astype(np.int16)).max(initial=0)),
        **{name: cost[name] for name in counted},
    }


def identity(dataset: Dataset, job: Mapping) -> dict[str, str]:
    """What a fleet says of its origin: fleets of other data, models, seeds or trainers do not
    agree.
    """
    models = {key: job[key] for key in ("model", "recipe", "seeds", "precision")}
    parts = {"fleet": models, "trainer": job["trainer"]}
    texts = {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return {"dataset": dataset.description["sha256"], **hashes}


def _instance(family: str, block: Mapping):
    """The class of module `unlearn/<family>/<kind>.py`, constructed with its parameters."""
    module = importlib.import_module(f"unlearn.{family}.{block['kind']}")
    name = "".join(word.capitalize() for word in block["kind"].split("_"))
    return getattr(module, name)(**block["parameters"])


class _Measure:
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
            one.meter = costs.Meter(self.known)
            model, recipe = one.new_model(0), one.recipe | {"epochs": 1}
            training.fit(one, model, few, recipe, seeding.derive(0), among=few)
        self.model_bytes = sum(t.nbytes for t in its.new_model(0).state_dict().values())

    def __call__(self, call: Callable, *arguments, before: Mapping | None = None) -> Mapping:
        self.task.meter = costs.Meter(self.known)
        state, cost = costs.measure(
            self.task.machine, self.task.meter, lambda: self._stored(before, call, *arguments)
        )
        stored = sum(nbytes(state, name) for name in state)
        finite = all(np.isfinite(tensor).all() for tensor in _changes(state).values())
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
        new = _changes(state, without=earlier)  # what earlier steps have written stays as it is
        if new:
            self.store(new)
        self.task.meter.count("io_seconds", reading + time.perf_counter() - start)
        return state


def _changes(state: Mapping, without: Mapping = MappingProxyType({})) -> dict[str, np.ndarray]:
    """The tensors in which a state differs from the one it came from; all, if it does not say.

    Those that are the very objects of `without` are left out.
    """
    found = state.changes if isinstance(state, Changed) else dict(state)
    there = {n: t for n, t in found.items() if t is not None and t is not without.get(n)}
    return {name: np.asarray(tensor) for name, tensor in there.items()}


def _read_seconds(state: Mapping | None) -> float:
    base = state.base if isinstance(state, Changed) else state
    return base.fleet.read_seconds if isinstance(base, artifacts.State) else 0.0
