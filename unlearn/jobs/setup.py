"""From the description of a job to the task of its trainer and method."""

from dataclasses import replace

import numpy as np
import torch

from unlearn.core import registry
from unlearn.core.progress import Progress
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.models.base import Architecture
from unlearn.trainers.base import Trainer
from unlearn.training.data import Data
from unlearn.training.device import Machine, choose
from unlearn.training.recipe import Recipe
from unlearn.training.task import Task


def machine_of(job: FleetJob) -> Machine:
    """Where and in which arithmetic a job runs."""
    architecture = registry.create("models", job.model)
    return choose(job.device, job.precision, convolutional=not architecture.flat)


def new_task(dataset: Dataset, job: FleetJob, label: str = "") -> Task:
    """The task that a job describes; `label` begins its progress reports."""
    method = job.method and registry.find("methods", job.method["kind"])
    return task_of(
        dataset,
        registry.create("models", job.model),
        Recipe(**job.recipe),
        registry.create("trainers", job.trainer),
        device=job.device,
        precision=job.precision,
        reads_validation=method is not None and "validation" in method.reads,
        label=label,
    )


def task_of(
    dataset: Dataset,
    architecture: Architecture,
    recipe: Recipe,
    trainer: Trainer,
    *,
    device: str = "auto",
    precision: str = "auto",
    reads_validation: bool = False,
    label: str = "",
) -> Task:
    """The task of components.

    Args:
        dataset: The data set.
        architecture: Of the networks.
        recipe: How they are trained.
        trainer: The trainer whose models are unlearned.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `float32` or `bfloat16`.
        reads_validation: Whether the validation split may be read.
        label: What progress reports begin with.

    Raises:
        unlearn.training.device.MachineError: `cuda` where there is none.
    """

    def machine_for(architecture: Architecture) -> Machine:
        return choose(device, precision, convolutional=not architecture.flat)

    def on_device(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(machine.device)

    machine = machine_for(architecture)
    description = dataset.description
    data = Data(
        on_device(dataset.train_images),
        on_device(dataset.train_labels),
        base_ids=dataset.base_ids,
        classes=description["classes"],
        mean=tuple(description["mean"]),
        std=tuple(description["std"]),
        levels=description["levels"],
        fed=np.zeros(len(dataset.train_labels), dtype=bool),
    )
    task = Task(
        data,
        architecture,
        recipe=recipe,
        machine=machine,
        trainer=trainer,
        machine_for=machine_for,
        progress=Progress(label),
    )
    return with_validation(task, dataset) if reads_validation else task


def with_validation(task: Task, dataset: Dataset) -> Task:
    """The task for a method that declares to read the validation split."""
    device = task.machine.device
    images = torch.from_numpy(dataset.validation_images).to(device)
    labels = torch.from_numpy(dataset.validation_labels).to(device)
    return replace(task, data=replace(task.data, validation=(images, labels)))
