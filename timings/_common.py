"""What the timings share: options, data sets, descriptions of jobs."""

import argparse
import inspect
import os

from unlearn.data import dataset
from unlearn.study import schema


def options(doc: str, **defaults: int) -> argparse.Namespace:
    """`--data`, and an option for each whole number."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("UNLEARN_DATA", "data"))
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def dataset_of(kind: str, folder: str, **change) -> dataset.Dataset:
    """A registered data set, or part of it; what is not said is the default, but for the points
    that are evaluated: one.
    """
    defaults = schema.with_defaults({}, schema.read("datasets")[kind]).items()
    known = inspect.signature(dataset.build).parameters
    options = {key: value for key, value in defaults if key in known}
    return dataset.build(kind, folder, **options | {"retain_sample": 1} | change)


def mnist(folder: str, **change) -> dataset.Dataset:
    """MNIST, or part of it."""
    return dataset_of("mnist", folder, **change)


def job(model: dict, trainer: dict, recipe: dict, precision: str = "float32") -> dict:
    """The description of a job with one model, as the rules write it.

    `model`, `trainer`: their parameters and `kind`; what is not said is the default.
    """
    described = {}
    for name, block in (("model", model), ("trainer", trainer)):
        own = {key: value for key, value in block.items() if key != "kind"}
        rules = schema.read(f"{name}s")[block["kind"]]
        own = schema.with_defaults(own, rules)
        own.pop("recipe", None)
        described[name] = {"kind": block["kind"], "parameters": own}
    parameters = schema.with_defaults(recipe, schema.read("recipe")["standard"])
    described["recipe"] = {"kind": "standard", "parameters": parameters}
    return described | {"seeds": [0], "device": "cpu", "precision": precision}
