"""Small real data, and descriptions of jobs."""

import os
from pathlib import Path

import pytest

from tests.support.project import ROOT
from timings import _common
from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob, block
from unlearn.jobs.setup import new_task
from unlearn.training.fleet import Member
from unlearn.training.recipe import Recipe
from unlearn.training.task import Task

DEVICE = os.environ.get("UNLEARN_TEST_DEVICE", "cpu")
"""Where the jobs of tests train; `UNLEARN_TEST_DEVICE=cuda` puts the conformance suite on a GPU."""


CERTIFIED_DESCENT = ("langevin", "descent", "rewind")
"""Trainers of models whose loss has proved constants, without momentum and schedule."""


def build(kind: str, folder: str | Path = "unused", **options) -> Dataset:
    """A data set with the default options; all of its training points are evaluated."""
    return _common.dataset_of(kind, folder, **{"retain_sample": None} | options)


def job(
    model: str = "mlp",
    seeds=(0,),
    precision: str = "float32",
    method: str | None = None,
    trainer: dict | None = None,
    size: dict | None = None,
    options: dict | None = None,
    **recipe,
) -> FleetJob:
    """The description of a torch job.

    Args:
        model: The architecture.
        seeds: Those of the members.
        precision: Of training.
        method: The method; None trains.
        trainer: Parameters of its trainer; `kind` names another one.
        size: Parameters of the architecture.
        options: Parameters of the method.
        **recipe: Parameters of the recipe.
    """
    described_trainer = trainer_block(method, trainer or {})
    small = {"epochs": 2, "batch_size": 32, "lr": 0.1}
    if described_trainer["kind"] in ("deltagrad", *CERTIFIED_DESCENT):
        small["momentum"] = 0.0
    if described_trainer["kind"] in CERTIFIED_DESCENT:
        small["schedule"] = "constant"
    return FleetJob(
        model=block("models", model, **(size or {})),
        recipe=Recipe(**small | recipe).values(),
        trainer=described_trainer,
        members=tuple(map(Member, seeds)),
        method=block("methods", method, **(options or {})) if method else None,
        device=DEVICE,
        precision=precision,
    )


def trainer_block(method: str | None, parameters: dict) -> dict:
    """The block of a method's trainer, or of the one that `kind` names."""
    declared = registry.find("methods", method).trainer if method else None
    kind = parameters.get("kind") or declared or "standard"
    return block("trainers", kind, **{k: v for k, v in parameters.items() if k != "kind"})


def task(dataset: Dataset, **keywords) -> Task:
    """The task of a job; see `job`."""
    return new_task(dataset, job(**keywords))


def raw_data(name: str) -> Path:
    """The folder with a complete copy of a raw data set; skips the test where there is none."""
    folder = Path(os.environ.get("UNLEARN_DATA", ROOT / "data"))
    if not (folder / name).is_dir():
        pytest.skip(f"no {name} in {folder}; name the raw data's folder with UNLEARN_DATA")
    return folder
