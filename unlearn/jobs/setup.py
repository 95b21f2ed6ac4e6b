"""From the description of a job to the task that its trainer and method are given."""

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping

import torch

from unlearn.core.progress import Progress
from unlearn.data.dataset import Dataset
from unlearn.models import networks
from unlearn.study import registry
from unlearn.training.device import Machine, choose
from unlearn.training.task import Data, Task


def new_task(dataset: Dataset, job: Mapping, label: str = "") -> Task:
    """The task that a job describes: `model`, `recipe`, `trainer`, `device`, `precision`."""
    here = choose(job["device"], job["precision"], False).device
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

    def architectures(kind: str, parameters: Mapping) -> tuple[Callable, Machine]:
        convolutional = networks.convolutional(kind)
        chosen = choose(job["device"], job["precision"], convolutional)
        layout = torch.channels_last if convolutional else torch.contiguous_format

        def new_model(seed: int) -> torch.nn.Module:
            model = networks.seeded(kind, data.shape, data.classes, parameters, seed)
            return model.to(chosen.device, memory_format=layout)

        return new_model, chosen

    new_model, chosen = architectures(job["model"]["kind"], job["model"]["parameters"])
    return Task(
        data,
        new_model,
        recipe=job["recipe"]["parameters"],
        machine=chosen,
        trainer=component("trainers", job["trainer"]),
        architectures=architectures,
        progress=Progress(label),
    )


def fleet_identity(dataset: Dataset, job: Mapping) -> dict[str, str]:
    """What a fleet says of its origin: fleets of other data, models, seeds or trainers do not
    agree.
    """
    models = {key: job[key] for key in ("model", "recipe", "seeds", "precision")}
    parts = {"fleet": models, "trainer": job["trainer"]}
    texts = {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return {"dataset": dataset.description["sha256"], **hashes}


def component(family: str, block: Mapping):
    """The class of module `unlearn/<family>/<kind>.py`, constructed with its parameters."""
    module = importlib.import_module(registry.module(family, block["kind"]))
    name = "".join(word.capitalize() for word in block["kind"].split("_"))
    return getattr(module, name)(**block["parameters"])
