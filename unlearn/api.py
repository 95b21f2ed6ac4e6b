"""The library for a notebook: unlearn from your own model, and evaluate it against an oracle.

    dataset = api.from_arrays(train_images, train_labels, test_images, test_labels)
    original = api.train(dataset, MyNetwork, recipe=Recipe(epochs=5))
    unlearned = api.unlearn(original, Finetune(epochs=2), forget_ids)
    oracle = api.retrain(original, forget_ids)
    api.evaluate(unlearned, oracle)

A network is an architecture of the library, such as `Cnn1()`, or a function without arguments
that returns a fresh `torch.nn.Module` from images N x C x H x W to logits N x classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from unlearn.core import registry
from unlearn.data.checks import checked
from unlearn.data.dataset import Dataset, build
from unlearn.data.source import DataSource, RawData, SourceFacts
from unlearn.evaluation.fleets import Comparison, EvaluatedPoints, ScoredFleet, TrainedFleet
from unlearn.evaluation.score import score
from unlearn.jobs.measure import Measure
from unlearn.jobs.predict import Predictor
from unlearn.jobs.setup import task_of
from unlearn.methods.base import Method
from unlearn.methods.retrain import Retrain
from unlearn.models.base import Architecture
from unlearn.requests.request import NO_IDS, Request, Step
from unlearn.storage.user_files import read_checkpoint
from unlearn.trainers.base import Trainer
from unlearn.trainers.standard import StandardTrainer
from unlearn.training.recipe import Recipe
from unlearn.training.state import State, state_of
from unlearn.training.task import Task

__all__ = [
    "Model",
    "Recipe",
    "evaluate",
    "from_arrays",
    "load_dataset",
    "pretrained",
    "retrain",
    "train",
    "unlearn",
]

Network = Architecture | Callable[[], nn.Module]


class UserNetwork:
    """A user's function that makes networks, as an architecture."""

    flat = False

    def __init__(self, factory: Callable[[], nn.Module]):
        self.factory = factory

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """A fresh network; TypeError if the function returns something else."""
        network = self.factory()
        if not isinstance(network, nn.Module):
            raise TypeError(f"network: {network!r} is no torch.nn.Module")
        return network


class UserArrays(DataSource):
    """A data set that is in memory already."""

    mean = (0.0,)
    std = (1.0,)

    def load(self, folder: Path) -> RawData:
        """Not used: `from_arrays` hands the arrays over."""
        raise NotImplementedError


@dataclass(frozen=True)
class Model:
    """A trained or unlearned model."""

    dataset: Dataset
    task: Task
    state: State
    seed: int
    request: Request = field(default_factory=lambda: Request([], []))
    """What has been asked for so far."""
    costs: tuple[Mapping[str, Any], ...] = ()
    """What training and each step took: seconds, gradient evaluations, FLOPs, ..."""
    original: Model | None = None
    """The model before the first request; None for a trained one."""

    def network(self) -> nn.Module:
        """The network with these weights, in evaluation mode."""
        return self.task.bare_model(self.state).eval()

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Logits N x classes for uint8 images N x H x W x C."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.task.machine.device)
        return self.task.trainer.predict(self.task, self.state, pixels).numpy()

    def steps(self) -> list[Step]:
        """The steps of the request."""
        return list(self.request.steps(len(self.dataset.train_labels), self.dataset.base_ids))


def load_dataset(name: str, folder: str | Path = "data", **options: Any) -> Dataset:
    """A registered data set: `digits`, `mnist`, `cifar10`, `arrays`, `image_folder`.

    Args:
        name: Its registered name.
        folder: Where raw data lie; what is missing is downloaded there.
        **options: Fields of its source, such as `subset=1000`.

    Raises:
        KeyError: An unknown name.
        ValueError: An option that is not allowed.
        unlearn.data.download.DataError: The data cannot be had.
    """
    return build(registry.find("data", name)(**options), name, Path(folder))


def from_arrays(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    **options: Any,
) -> Dataset:
    """A data set of your own arrays.

    Args:
        train_images: uint8 N x H x W or N x H x W x C.
        train_labels: N whole numbers from 0.
        test_images: As for training.
        test_labels: As for training.
        mean: Of pixels in 0..1, by channel: what your network's images are normalised with.
        std: Likewise; by default networks see pixels in 0..1.
        **options: Fields of a data source, such as `validation=500`.

    Raises:
        ValueError: Arrays that make no data set; the message names the array and what is allowed.
    """
    arrays = (train_images, train_labels, test_images, test_labels)
    data = checked(*map(np.asarray, arrays))
    source = _in_memory(data, tuple(mean), tuple(std))(**options)
    return build(source, "arrays", Path())


def train(
    dataset: Dataset,
    network: Network,
    *,
    recipe: Recipe | None = None,
    trainer: Trainer | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "float32",
) -> Model:
    """Train the original model on the base training set.

    Args:
        dataset: The data set.
        network: The architecture, or a function that makes networks.
        recipe: How; None takes the defaults.
        trainer: How the model is prepared for forgetting; None trains it as always.
        seed: Decides initial weights, order and augmentation.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `float32` or `bfloat16`.
    """
    task = _task(dataset, network, recipe, trainer, device, precision)
    measure = Measure(task, None)
    state = measure.training(lambda: task.trainer.train(task, dataset.base_ids, seed))
    return Model(dataset, task, state, seed, costs=tuple(measure.costs))


def pretrained(
    dataset: Dataset,
    network: Network,
    weights: nn.Module | Mapping[str, torch.Tensor] | str | Path,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "float32",
) -> Model:
    """Your own trained model as the original.

    Args:
        dataset: The data set that it was trained on.
        network: The architecture, or a function that makes fresh networks like it.
        weights: The model, its `state_dict`, or a file with it.
        recipe: How the oracle is to be retrained, as the model was trained.
        seed: What is random in methods and in the oracle.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `float32` or `bfloat16`.

    Raises:
        RuntimeError: Weights of another architecture.
    """
    task = _task(dataset, network, recipe, None, device, precision)
    if isinstance(weights, nn.Module):
        weights = weights.state_dict()
    elif not isinstance(weights, Mapping):
        weights = read_checkpoint(Path(weights))
    model = task.new_model(0)
    model.load_state_dict(weights)
    return Model(dataset, task, state_of(model), seed)


def unlearn(
    model: Model, method: Method, forget_ids: Sequence[int], added_ids: Sequence[int] = ()
) -> Model:
    """The model after one more request.

    Args:
        model: A trained model, or an unlearned one: requests follow each other.
        method: The method with its hyper-parameters, such as `Finetune(epochs=2)`.
        forget_ids: The training points to delete: positions in the training arrays.
        added_ids: Held-out points to add.

    Raises:
        ValueError: Ids that cannot be deleted or added, a method for models of another trainer,
            or a request that the method cannot serve.
    """
    _check_method(model, method, added_ids)
    request = Request(
        [*model.request.deletions, _sorted_ids(forget_ids)],
        [*model.request.additions, _sorted_ids(added_ids)],
    )
    steps = len(model.dataset.train_labels), model.dataset.base_ids
    step = list(request.steps(*steps))[-1]
    student_task = method.student_task(model.task)
    measure = Measure(model.task, None, student_task)
    state = measure.unlearning(
        lambda: method.unlearn(model.task, model.state, step, model.seed), before=model.state
    )
    return Model(
        model.dataset,
        student_task,
        state,
        model.seed,
        request=request,
        costs=(*model.costs, *measure.costs),
        original=model.original or model,
    )


def retrain(
    model: Model, forget_ids: Sequence[int], added_ids: Sequence[int] = (), seed: int | None = None
) -> Model:
    """The oracle: the model trained again without the points.

    `seed` None takes that of the model, so that the two are paired; another seed shows how far two
    retrainings are from each other.
    """
    start = model if seed is None else replace(model, seed=seed)
    return unlearn(start, Retrain(), forget_ids, added_ids)


def evaluate(unlearned: Model, oracle: Model) -> pd.DataFrame:
    """The metrics of an unlearned model, of its oracle and of doing nothing.

    Args:
        unlearned: What `unlearn` returned.
        oracle: What `retrain` returned for the same points.

    Returns:
        A row for each metric and split, a column for each model. The right value of a metric of
        predictions is the oracle's, neither 0 nor 100 %.

    Raises:
        ValueError: Models of different data sets or requests.
    """
    for name in ("deletions", "additions"):
        pairs = zip(getattr(unlearned.request, name), getattr(oracle.request, name), strict=False)
        same = len(unlearned.request.deletions) == len(oracle.request.deletions)
        if not same or not all(np.array_equal(first, second) for first, second in pairs):
            raise ValueError(f"oracle: its {name} are not those of the unlearned model")
    if unlearned.dataset.fingerprint != oracle.dataset.fingerprint:
        raise ValueError("oracle: it is a model of another data set")
    original = unlearned.original or unlearned
    models = {"unlearned": unlearned, "oracle": oracle, "original": original}
    columns = {name: _scores(model, unlearned, oracle) for name, model in models.items()}
    table = pd.DataFrame(columns)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["metric", "split"])
    return table.dropna(how="all")


def _in_memory(data: RawData, mean: tuple[float, ...], std: tuple[float, ...]) -> type[DataSource]:
    """A source of arrays that are in memory."""
    shape = data.train_images.shape[1:]
    counts = (len(data.train_labels), len(data.test_labels))
    source_facts = SourceFacts(int(data.train_labels.max()) + 1, shape, *counts)
    attributes = {
        "__doc__": UserArrays.__doc__,
        "mean": mean,
        "std": std,
        "facts": lambda self: source_facts,
        "load": lambda self, folder: data,
    }
    return type("UserArrays", (UserArrays,), attributes)


def _task(
    dataset: Dataset,
    network: Network,
    recipe: Recipe | None,
    trainer: Trainer | None,
    device: str,
    precision: str,
) -> Task:
    architecture = network if isinstance(network, Architecture) else UserNetwork(network)
    return task_of(
        dataset,
        architecture,
        recipe or Recipe(),
        trainer or StandardTrainer(),
        device=device,
        precision=precision,
        reads_validation=True,
    )


def _check_method(model: Model, method: Method, added_ids: Sequence[int]) -> None:
    """ValueError for a method that cannot serve this model or request."""
    trainer = type(model.task.trainer).__name__
    needed = method.trainer
    if needed is not None and not isinstance(model.task.trainer, registry.find("trainers", needed)):
        raise ValueError(
            f"method: {type(method).__name__} unlearns models of trainer {needed}, this one is of "
            f"{trainer}"
        )
    if len(added_ids) and "add" not in method.serves:
        raise ValueError(f"method: {type(method).__name__} cannot add points")


def _sorted_ids(ids: Sequence[int]) -> np.ndarray:
    return np.sort(np.asarray(ids, dtype=np.int64)) if len(ids) else NO_IDS


def _scores(model: Model, unlearned: Model, oracle: Model) -> dict[tuple[str, str], float | None]:
    """Metric and split -> value, after the last step."""
    step = unlearned.steps()[-1]
    request = unlearned.request
    reference = _scored_fleet(oracle, request, oracle.costs[-1])
    scored = reference if model is oracle else _scored_fleet(model, request, oracle.costs[-1])
    original = unlearned.original or unlearned
    dataset = unlearned.dataset
    points = EvaluatedPoints(
        ids=dataset.evaluated_ids(request),
        sample_ids=dataset.sample_ids,
        train_labels=dataset.train_labels,
        test_labels=dataset.test_labels,
    )
    trained = TrainedFleet(
        weights=[{name: np.asarray(original.state[name]) for name in original.state}],
        costs=[dict(original.costs[0])] if original.costs else [{}],
    )
    rows = score(points, [step], [model.seed], Comparison(trained, scored, reference))
    return {(metric, split): value for _, _, metric, split, value in rows}


def _scored_fleet(model: Model, request: Request, record: Mapping[str, Any]) -> ScoredFleet:
    """A fleet of one model, as scoring reads it; `record` names the costs of doing nothing."""
    predictor = Predictor(model.task, model.dataset, request)
    predictor.add(model.state)
    names = model.task.trainer.compared(model.task)
    steps = len(model.request.deletions)
    costs = model.costs[-steps:] if steps else [dict.fromkeys(record, 0)]
    total = {name: sum(cost.get(name, 0) for cost in costs) for name in costs[-1]}
    total |= {name: costs[-1][name] for name in ("diverged", "bytes_stored")}
    return ScoredFleet(
        logits=predictor.logits[0][None, None],
        votes=predictor.votes[0][None, None],
        weights=lambda member, position: {n: np.asarray(model.state[n]) for n in names},
        weight_names=names,
        costs=[[total]],
    )
