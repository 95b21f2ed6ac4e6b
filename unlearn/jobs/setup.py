"""From the description of a job to the task of its trainer and method."""

import torch

from unlearn.core import registry
from unlearn.core.progress import Progress
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.models.base import Architecture
from unlearn.training.data import Data
from unlearn.training.device import Machine, choose
from unlearn.training.recipe import Recipe
from unlearn.training.task import Task


def new_task(dataset: Dataset, job: FleetJob, label: str = "") -> Task:
    """The task that a job describes; `label` begins its progress reports."""

    def machine_for(architecture: Architecture) -> Machine:
        return choose(job.device, job.precision, convolutional=not architecture.flat)

    architecture = registry.create("models", job.model)
    machine = machine_for(architecture)
    description = dataset.description
    validation = None
    if (
        job.method is not None
        and "validation" in registry.find("methods", job.method["kind"]).reads
    ):
        validation = (
            torch.from_numpy(dataset.validation_images).to(machine.device),
            torch.from_numpy(dataset.validation_labels).to(machine.device),
        )
    data = Data(
        torch.from_numpy(dataset.train_images).to(machine.device),
        torch.from_numpy(dataset.train_labels).to(machine.device),
        base_ids=dataset.base_ids,
        classes=description["classes"],
        mean=tuple(description["mean"]),
        std=tuple(description["std"]),
        levels=description["levels"],
        validation=validation,
    )
    return Task(
        data,
        architecture,
        recipe=Recipe(**job.recipe),
        machine=machine,
        trainer=registry.create("trainers", job.trainer),
        machine_for=machine_for,
        progress=Progress(label),
    )
