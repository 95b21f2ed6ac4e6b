"""The parameters of parts as columns of tables: `method.epochs`, `model.width`, `recipe.lr`, ..."""

from collections.abc import Mapping
from typing import Any

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.study.components import DatasetPart, Selection, Variant
from unlearn.study.tuning import TUNED, Tuning


def parameter_columns(
    selection: Selection, tunings: Mapping[str, Tuning]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Cell field -> canonical name (dataset/model for models) -> the columns of its parameters.

    The columns of a population belong to the field `fleet`. A parameter that tuning chooses has no
    value that holds for all cells.
    """
    chosen = {
        name: {f"method.{parameter}": TUNED for parameter in tuning.searched}
        for name, tuning in tunings.items()
    }
    return {
        "fleet": {population.name: population.columns for population in selection.populations},
        "dataset": {
            part.name: _prefixed("dataset", part.parameters)
            | _noise_columns(part)
            | _squeeze_columns(part)
            for part in selection.datasets
        },
        "request": {
            part.name: _prefixed("request", part.parameters) for part in selection.requests
        },
        "variant": {
            part.name: _prefixed("method", part.trainer.parameters | part.parameters)
            | {
                "method.trainer": part.trainer.kind,
                "method.oracle": part.oracle,
                "method.guarantee": part.guarantee.level,
                "method.reads": reads(part),
                placement.ROLE: role(part),
            }
            | chosen.get(part.name, {})
            for part in (*selection.variants, *selection.references)
        },
        "model": {
            f"{dataset.name}/{model.name}": _prefixed("model", model.parameters)
            | _prefixed("recipe", model.recipe.parameters)
            for dataset, model in selection.models
        },
    }


def reads(variant: Variant) -> str:
    """The points that the method of a variant looks at: `forget, retain`."""
    order = ("forget", "retain", "validation")
    return ", ".join(split for split in order if split in variant.component.reads) or "none"


def role(variant: Variant) -> str:
    """Whether the method of a variant is a control."""
    is_control = registry.find("methods", variant.kind).is_control
    return placement.CONTROL_ROLE if is_control else "method"


def _prefixed(part: str, parameters: Mapping) -> dict[str, Any]:
    """Parameters as columns of a table: `method.epochs`, `model.width`, `recipe.lr`, ...

    A parameter that is null is not one that is missing: it shows as none.
    """
    return {f"{part}.{k}": "none" if v is None else v for k, v in parameters.items()}


def _noise_columns(dataset: DatasetPart) -> dict[str, Any]:
    """The parameters of the noise that images of a data set carry, if any do."""
    if dataset.noise is None or not dataset.parameters["noised"]:
        return {}
    return _prefixed("noise", dataset.noise.parameters) | {"noise.kind": dataset.noise.kind}


def _squeeze_columns(dataset: DatasetPart) -> dict[str, Any]:
    """The parameters of the squeeze of a data set's images, if there is one."""
    if dataset.squeeze is None:
        return {}
    return _prefixed("squeeze", dataset.squeeze.parameters) | {"squeeze.kind": dataset.squeeze.kind}
