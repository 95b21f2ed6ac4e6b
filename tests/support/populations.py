"""Populations of small real models, made by the jobs of the project."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tests.support.jobs import job
from unlearn.data.dataset import Dataset
from unlearn.evaluation.fleets import EvaluatedPoints
from unlearn.jobs.train import retrain_fleet, train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.metrics.populations import Populations
from unlearn.requests.request import Request

MODELS = 32
RECIPE = {"epochs": 12, "batch_size": 32, "lr": 0.1, "weight_decay": 0.0}

Groups = Mapping[str, np.ndarray]
"""Logits of models x points, by group."""


def mislabelled(dataset: Dataset, ids: np.ndarray) -> Dataset:
    """A data set in which some training points have the label of the next class."""
    labels = np.array(dataset.train_labels)
    labels[ids] = (labels[ids] + 1) % 10
    return replace(dataset, train_labels=labels)


def groups_of(dataset: Dataset, request: Request, trainer: dict | None = None) -> Groups:
    """Originals, and the two halves of the oracles of a request."""

    def seeds(start: int) -> range:
        return range(start, start + MODELS)

    originals = job(seeds=seeds(1000), method="original", trainer=trainer, **RECIPE)
    trained = train_fleet(dataset, replace(originals, method=None))
    untouched = unlearn_fleet(dataset, originals, trained.states, request)
    halves = [
        retrain_fleet(dataset, job(seeds=seeds(start), trainer=trainer, **RECIPE), request)
        for start in (2000, 3000)
    ]
    untrained = job(seeds=range(8), trainer={"kind": "untrained"}, **RECIPE)
    return {
        "originals": untouched.logits[:, -1],
        "reference": halves[0].logits,
        "floor": halves[1].logits,
        "random": retrain_fleet(dataset, untrained, request).logits,
        "states": trained.states,
    }


def populations_of(
    dataset: Dataset, request: Request, groups: Groups, unlearned: np.ndarray
) -> Populations:
    """The populations of an audit of some models."""
    *_, step = request.steps(len(dataset.train_labels), dataset.base_ids)
    points = EvaluatedPoints(
        ids=dataset.evaluated_ids(request),
        sample_ids=dataset.sample_ids,
        train_labels=dataset.train_labels,
        validation_labels=dataset.validation_labels,
        test_labels=dataset.test_labels,
    ).split(step)
    logits = {name: groups[name] for name in ("reference", "originals", "random")}
    return Populations(logits | {"unlearned": unlearned}, points.labels, points.rows)


def leak(groups: Groups, is_leaking: Callable[[int], bool]) -> np.ndarray:
    """Half B of the oracles, in which some members are the originals."""
    return np.stack(
        [groups["originals" if is_leaking(member) else "floor"][member] for member in range(MODELS)]
    )
