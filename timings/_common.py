"""What the timings share: options, data sets, descriptions of jobs."""

import argparse
import os
from pathlib import Path

from unlearn.core import registry
from unlearn.data.dataset import Dataset, build
from unlearn.jobs.description import FleetJob, block
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
    """MNIST, or part of it."""
    return dataset_of("mnist", folder, **options)


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


def _block(family: str, described: dict) -> dict:
    parameters = {key: value for key, value in described.items() if key != "kind"}
    return block(family, described["kind"], **parameters)
