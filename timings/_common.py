"""What the timings share: options, data sets, descriptions of jobs, a service."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.core import registry
from unlearn.data.dataset import Dataset, build
from unlearn.jobs.description import FleetJob, block
from unlearn.jobs.result import Result
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import Request
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.training.recipe import Recipe


def options(doc: str, **defaults: int) -> argparse.Namespace:
    """`--data`, and an option for each whole number."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("UNLEARN_DATA", "data"))
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def dataset_of(kind: str, folder: str | Path, **options) -> Dataset:
    """A registered data set, or part of it; only one point is evaluated, unless options say so."""
    source = registry.find("data", kind)(**{"retain_sample": 1} | options)
    return build(source, kind, Path(folder))


def mnist(folder: str | Path, **options) -> Dataset:
    """MNIST, or part of it; without a validation split, as the recorded timings have it."""
    return dataset_of("mnist", folder, **{"validation": 0} | options)


def job(model: dict, trainer: dict, recipe: dict, precision: str = "float32") -> FleetJob:
    """The description of a job with one model.

    `model`, `trainer`: their parameters and `kind`; the others take their defaults.
    """
    return FleetJob(
        model=_block("models", model),
        recipe=Recipe(**recipe).values(),
        trainer=_block("trainers", trainer),
        device="cpu",
        precision=precision,
    )


class Service:
    """A trained model on disk, and the requests that it serves, storage included."""

    def __init__(self, data: Dataset, training: FleetJob, path: Path):
        """Train the model of the job and store it at `path`, unless it is stored there already."""
        self.data = data
        self.training = training
        self.scratch = path.with_name("scratch")
        if not path.exists():
            write_fleet(path, train_fleet(data, training).states, {})
        self.trained = Fleet(path)

    def serve(self, method: str, request: Request, **parameters: Any) -> Result:
        """The result of a request, whose costs hold the seconds; `parameters` of the method."""
        unlearning = replace(self.training, method=block("methods", method, **parameters))
        originals = [self.trained[0]]
        return unlearn_fleet(self.data, unlearning, originals, request, store=self._store)

    def cost(self, method: str, request: Request, **parameters: Any) -> dict:
        """The cost of a request of one step."""
        return self.serve(method, request, **parameters).costs[0][0]

    def _store(self, tensors: Mapping[str, np.ndarray]) -> None:
        write_fleet(self.scratch, [tensors], {})


def _block(family: str, described: dict) -> dict:
    parameters = {key: value for key, value in described.items() if key != "kind"}
    return block(family, described["kind"], **parameters)
