"""Models for a notebook: train, take your own, unlearn, retrain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.data.dataset import Dataset
from unlearn.jobs.measure import Measure
from unlearn.jobs.setup import task_of, with_validation
from unlearn.methods.base import Method
from unlearn.methods.retrain import Retrain
from unlearn.models.base import Architecture
from unlearn.requests.request import NO_IDS, Request, Step
from unlearn.storage.fleet import state_digest
from unlearn.storage.user_files import read_checkpoint
from unlearn.trainers.base import Trainer
from unlearn.trainers.standard import StandardTrainer
from unlearn.training.recipe import Recipe
from unlearn.training.state import State, state_of
from unlearn.training.task import Task

Network = Architecture | Callable[[], nn.Module]


class UserNetwork:
    """A user's function that makes networks, as an architecture."""

    flat = False
    has_batch_normalisation = None
    layer_count = None
    is_convex = None
    prepared_points = 0

    def __init__(self, factory: Callable[[], nn.Module]):
        self.factory = factory

    def weight_count(self, shape: tuple[int, int, int], classes: int) -> None:
        """Unknown: only a built network can tell."""

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """A fresh network; TypeError if the function returns something else."""
        network = self.factory()
        if not isinstance(network, nn.Module):
            raise TypeError(f"network: {network!r} is no torch.nn.Module")
        return network


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
    method: Method | None = None
    """The method that has served the last request; None for a trained model."""
    claim: str | None = None
    """The record that a certified method claims for the last request, as JSON."""
    parent_sha256: str | None = None
    """The digest of the weights that the last request started from."""

    @property
    def network_task(self) -> Task:
        """The task as the networks of this state see it: students may have other layers."""
        return self.task if self.method is None else self.method.student_task(self.task)

    def network(self) -> nn.Module:
        """The network with these weights, in evaluation mode."""
        return self.network_task.bare_model(self.state).eval()

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Logits N x classes for uint8 images N x H x W x C."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.task.machine.device)
        return self.task.trainer.predict(self.network_task, self.state, pixels).numpy()

    def steps(self) -> list[Step]:
        """The steps of the request."""
        return list(self.request.steps(len(self.dataset.train_labels), self.dataset.base_ids))


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
    task = _task(dataset, network, recipe, trainer, device=device, precision=precision)
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
    task = _task(dataset, network, recipe, None, device=device, precision=precision)
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
        forget_ids: The training points to delete: places in `model.dataset.train_labels`.
            `model.dataset.ids_of_source(places)` turns places in your own arrays into these.
        added_ids: Held-out points to add.

    Raises:
        ValueError: Ids that cannot be deleted or added, a method for models of another trainer,
            or a request that the method cannot serve.
    """
    request = Request(
        [*model.request.deletions, _sorted_ids(forget_ids)],
        [*model.request.additions, _sorted_ids(added_ids)],
    )
    _check_method(model, method, request)
    steps = len(model.dataset.train_labels), model.dataset.base_ids
    step = list(request.steps(*steps))[-1]
    reads_validation = "validation" in method.reads
    task = with_validation(model.task, model.dataset) if reads_validation else model.task
    measure = Measure(task, None, method.student_task(task))
    state = measure.unlearning(method, model.state, step, model.seed)
    claim = measure.certificates[-1]
    return Model(
        model.dataset,
        model.task,
        state,
        model.seed,
        request=request,
        costs=(*model.costs, *measure.costs),
        original=model.original or model,
        method=method,
        claim=claim and claim.to_json(),
        parent_sha256=weights_digest(model),
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


def _task(
    dataset: Dataset,
    network: Network,
    recipe: Recipe | None,
    trainer: Trainer | None,
    **hardware: str,
) -> Task:
    """The task of a network; `hardware` is device and precision."""
    architecture = network if isinstance(network, Architecture) else UserNetwork(network)
    return task_of(
        dataset, architecture, recipe or Recipe(), trainer or StandardTrainer(), **hardware
    )


def _check_method(model: Model, method: Method, request: Request) -> None:
    """ValueError for a method that cannot serve this model or request."""
    if not isinstance(method, Method):
        advice = f"; give an instance, {method.__name__}()" if isinstance(method, type) else ""
        raise TypeError(f"method: {method!r} is no method{advice}")
    trainer = type(model.task.trainer).__name__
    declared = method.trainer
    if declared and not isinstance(model.task.trainer, registry.find("trainers", declared)):
        raise ValueError(
            f"method: {type(method).__name__} unlearns models of trainer {declared}, this one is "
            f"of {trainer}"
        )
    added = len(request.additions[-1]) > 0
    deleted = len(request.deletions[-1]) > 0
    for verb, needed in (("delete", deleted), ("add", added)):
        if needed and verb not in method.serves:
            raise ValueError(f"method: {type(method).__name__} cannot {verb} points")
    setting = setting_of(model, method)
    reason = model.task.trainer.supports(setting) or method.supports(setting)
    if reason:
        raise ValueError(f"method: {type(method).__name__}: {reason}")


def setting_of(model: Model, method: Method) -> Setting:
    """The components that a method meets."""
    dataset = model.dataset
    data = DataFacts(
        name=dataset.description["name"],
        classes=dataset.description["classes"],
        shape=tuple(dataset.train_images.shape[1:]),
        points=len(dataset.train_labels),
        held_out=len(dataset.held_out_ids),
    )
    return Setting(
        data=data,
        model=model.task.architecture,
        recipe=model.task.recipe,
        trainer=model.task.trainer,
        method=method,
    )


def weights_of(model: Model) -> dict[str, np.ndarray]:
    """The tensors of a model that predictions need."""
    names = model.task.trainer.served(model.state)
    return {name: np.asarray(model.state[name]) for name in names}


def weights_digest(model: Model) -> str:
    """The digest of these tensors."""
    return state_digest(weights_of(model))


def _sorted_ids(ids: Sequence[int]) -> np.ndarray:
    return np.sort(np.asarray(ids, dtype=np.int64)) if len(ids) else NO_IDS
