"""Models that are too large for any machine: an estimate from below, made without building them."""

import math
from collections.abc import Iterator

from unlearn.models.base import Architecture
from unlearn.study.compatibility import Problem
from unlearn.study.components import DatasetPart, Selection

MAX_JOB_GIGABYTES = 256
"""The memory that the weights of one job may take, in 1e9 bytes."""

BYTES_PER_WEIGHT = 4

TRAINING_COPIES = 2
"""Gradient and momentum of the model that is being trained, in the size of its weights."""


def problems(selection: Selection, fleet_size: int) -> Iterator[Problem]:
    """The models, students and sources of noise that no machine can hold.

    Args:
        selection: The parts of an experiment.
        fleet_size: The members of its largest fleet.
    """
    for dataset, model in selection.models:
        for variant in (*selection.variants, *selection.references):
            label = f"{model.name}, {variant.name} on {dataset.name}"
            models = fleet_size * variant.trainer.component.network_count()
            yield from _problem("model", label, _weights(model.component, dataset), models)
            student = variant.component.student_architecture()
            if student is not None:
                yield from _problem("method", label, _weights(student, dataset), fleet_size)
    for dataset in selection.datasets:
        if dataset.noise is not None:
            source = dataset.noise.component.architecture()
            image_shape = dataset.component.facts().shape
            weights = source.weight_count(image_shape, dataset.facts.classes)
            yield from _problem("dataset.noise", dataset.noise.name, weights, 1)


def scoring_problems(
    label: str, architecture: Architecture, dataset: DatasetPart
) -> Iterator[Problem]:
    """The scoring models that no machine can hold, one at a time; `label` begins the message."""
    yield from _problem("model", label, _weights(architecture, dataset), 1)


def _weights(architecture: Architecture, dataset: DatasetPart) -> int | None:
    """The weights of a network for a data set; None where that is unknown."""
    return architecture.weight_count(dataset.facts.shape, dataset.facts.classes)


def gigabytes(weights: int, models: int) -> float:
    """The least memory that training some models of so many weights takes, in 1e9 bytes."""
    numbers = weights * (models + TRAINING_COPIES)
    return numbers * BYTES_PER_WEIGHT / 1e9


def _problem(key: str, label: str, weights: int | None, models: int) -> Iterator[Problem]:
    """The problem of a job that keeps some models of so many weights, if there is one."""
    size = 0 if weights is None else math.ceil(gigabytes(weights, models))
    if size > MAX_JOB_GIGABYTES:
        subject = "1 model" if models == 1 else f"{models:,} models"
        content = f"{subject} of {weights:,} weights each take {size:,} GB or more"
        yield Problem(key, f"{label}: {content}; allowed: at most {MAX_JOB_GIGABYTES} GB")
