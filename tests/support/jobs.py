"""Small real data, and descriptions of jobs."""

import os
from pathlib import Path

import pytest

from tests.support.project import ROOT
from timings._common import dataset_of
from unlearn.data import dataset
from unlearn.jobs.setup import new_task
from unlearn.study import registry, schema

DEVICE = os.environ.get("UNLEARN_TEST_DEVICE", "cpu")
"""Where the jobs of tests train; `UNLEARN_TEST_DEVICE=cuda` puts the conformance suite on a GPU."""


def build(kind: str, folder: str | Path = "unused", **change) -> dataset.Dataset:
    """A data set with the schema's defaults; all of its training points are evaluated."""
    return dataset_of(kind, folder, **{"retain_sample": None} | change)


def job(
    model: str = "mlp", seeds=(0,), precision="float32", method=None, trainer=None, **recipe
) -> dict:
    """The description of a torch job. `trainer`: its parameters; its kind is the method's."""
    rules = schema.read("recipe")["standard"]
    small = {"epochs": 2, "batch_size": 32, "lr": 0.1}
    if described_trainer(method, trainer or {})["kind"] == "deltagrad":
        small["momentum"] = 0
    small |= recipe
    own = schema.with_defaults({}, schema.read("models")[model])
    own.pop("recipe")
    described = {
        "model": {"kind": model, "parameters": own},
        "recipe": {"kind": "standard", "parameters": schema.with_defaults(small, rules)},
        "trainer": described_trainer(method, trainer or {}),
        "seeds": list(seeds),
        "device": DEVICE,
        "precision": precision,
    }
    if method:
        rules = schema.read("methods")[method]
        parameters = schema.with_defaults({}, rules)
        described["method"] = {"kind": method, "parameters": parameters}
    return described


def described_trainer(method: str | None, parameters: dict) -> dict:
    declared = registry.facts("methods", method)["trainer"] if method else None
    kind = parameters.get("kind") or declared or "standard"
    own = {name: value for name, value in parameters.items() if name != "kind"}
    rules = schema.read("trainers")[kind]
    return {"kind": kind, "parameters": schema.with_defaults(own, rules)}


def task(data, **keywords):
    return new_task(data, job(**keywords))


def raw_data(name: str) -> Path:
    """The folder with a complete copy of a raw data set; skips the test where there is none."""
    folder = Path(os.environ.get("UNLEARN_DATA", ROOT / "data"))
    if not (folder / name).is_dir():
        pytest.skip(f"no {name} in {folder}; name the raw data's folder with UNLEARN_DATA")
    return folder
