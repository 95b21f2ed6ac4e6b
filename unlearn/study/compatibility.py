"""What a schema cannot say: components that do not fit each other."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from unlearn.core.setting import Setting
from unlearn.study.components import DatasetPart, ModelPart, Part, Variant
from unlearn.study.populations import SINGLE, Population
from unlearn.training.fleet import Member

MIN_PUBLIC_POINTS = 100
"""Held-out points that features are standardised by, at least."""

IMMOVABLE_FEATURES = (
    "features cannot be cropped, flipped or cut, nor changed by strong or adversarial"
)


class Problem(NamedTuple):
    """Why some parts do not fit each other."""

    key: str
    """The key of the experiment that it is about."""
    message: str


def check_dataset(dataset: DatasetPart) -> Problem | None:
    """Public points to standardise features by, where they need some."""
    public = dataset.facts.public_features
    if public and dataset.facts.held_out < MIN_PUBLIC_POINTS:
        return Problem(
            "dataset.held_out",
            f"{dataset.component.held_out} leaves {dataset.facts.held_out} public points to "
            f"standardise {public[0]} by; allowed: {MIN_PUBLIC_POINTS} points or more",
        )
    return None


def check_request(dataset: DatasetPart, request: Part) -> Problem | None:
    """A request that selects some of the data and not all of it."""
    label = f"{request.name} on {dataset.name}"
    try:
        request.component.check(Setting(data=dataset.facts, request=request.component))
    except ValueError as error:
        return Problem("request", f"{label}: {error}")
    public = dataset.facts.public_features
    if public and "add" in request.component.changes:
        return Problem(
            "request",
            f"{label}: {public[0]} is standardised by the held-out points, which are public and "
            "cannot be added",
        )
    return None


def check_trainer(dataset: DatasetPart, trainer: Part) -> Problem | None:
    """A trainer that can work on the data set, whatever the model."""
    reason = trainer.component.supports(Setting(data=dataset.facts, trainer=trainer.component))
    return Problem("method", f"{trainer.name} on {dataset.name}: {reason}") if reason else None


def check_population(variant: Variant, population: Population) -> Problem | None:
    """A method whose seed may differ from that of training, where one model is unlearned often."""
    if population.kind == SINGLE and variant.trainer.component.replays:
        message = f"{variant.name} is served with the seed of training; allowed: multi"
        return Problem("population.kind", f"{SINGLE}: {message}")
    return None


def check_service(variant: Variant, request: Part) -> Problem | None:
    """A method that can do what the request asks for, with its trainer's shards if it has any."""
    setting = Setting(trainer=variant.trainer.component, request=request.component)
    reason = variant.trainer.component.supports(setting) or variant.component.supports(setting)
    if reason:
        return Problem("method", f"{variant.name}, {request.name}: {reason}")
    promised = variant.trainer.component.guarantee().serves
    serves = [change for change in variant.component.serves if change in promised]
    for change in request.component.changes:
        if change not in serves:
            allowed = " and ".join(serves)
            message = f"{variant.name} can only {allowed}, {request.name} asks to {change}"
            return Problem("method", message)
    return None


def check_model(dataset: DatasetPart, model: ModelPart, variant: Variant) -> Problem | None:
    """A model that trainer and method can work with, and data that the model can take."""
    facts = dataset.facts
    if facts.features and variant.component.images_only:
        message = f"{variant.name} on {dataset.name}: the method is for images"
        return Problem("model", f"{message}; allowed: features: null")
    if facts.features and not model.component.flat:
        return Problem(
            "model", f"{model.kind} on {dataset.name}: features are for logistic and mlp"
        )
    if facts.features and model.recipe.component.moves_pixels:
        return Problem(
            "model",
            f"{model.recipe.name} on {dataset.name}: {IMMOVABLE_FEATURES}",
        )
    side = min(facts.shape[:2])
    for key in ("crop", "cutout"):
        pixels = getattr(model.recipe.component, key)
        if pixels > side and not facts.features:
            return Problem(
                "model",
                f"{model.recipe.name} on {dataset.name}: {key}: {pixels} is not allowed; allowed: "
                f"between 0 and {side}, the shorter side of an image",
            )
    setting = Setting(
        data=facts,
        model=model.component,
        recipe=model.recipe.component,
        trainer=variant.trainer.component,
        method=variant.component,
    )
    reason = variant.trainer.component.supports(setting) or variant.component.supports(setting)
    if reason:
        return Problem("model", f"{variant.name}, {model.name} on {dataset.name}: {reason}")
    return None


def check_checkpoints(
    model: ModelPart, variant: Variant, members: Sequence[Member]
) -> Problem | None:
    """Checkpoints that are there, one for each member, of models that are trained as always."""
    if model.checkpoint is None:
        return None
    label = f"{model.name}: checkpoint {model.checkpoint}"
    if variant.trainer.kind != "standard":
        message = f"{label} is a model of the standard trainer, {variant.name} needs one of "
        return Problem("model", f"{message}{variant.trainer.kind}")
    files = model.checkpoint_files(members)
    if len(set(files)) < len(files):
        message = f"is one model for {len(files)} seeds; allowed: seeds: 1, or {{seed}} in the path"
        return Problem("model", f"{label} {message}")
    absent = [path for path in files if not os.path.isfile(path)]
    return Problem("model", f"{label}: there is no file {absent[0]}") if absent else None


def check_files(request: Part) -> Problem | None:
    """Files of the user's that are there."""
    absent = [path for path in request.component.files() if not os.path.isfile(path)]
    message = f"{request.name}: there is no file {absent[0]}" if absent else ""
    return Problem("request", message) if absent else None


def possible(dataset: DatasetPart, request: Part, variant: Variant) -> bool:
    """Whether a method can serve a request that may leave no points: doing nothing can."""
    setting = Setting(data=dataset.facts, request=request.component)
    return variant.kind == "original" or not request.component.empties(setting)


def check_picture(dataset: DatasetPart) -> Problem | None:
    """Images, of which some carry noise, as they are before any squeeze."""
    if dataset.squeeze is not None:
        return Problem("dataset", f"{dataset.name} is squeezed; allowed: squeeze: null")
    if not dataset.facts.noised or dataset.facts.features:
        return Problem("dataset", f"{dataset.name} has no images that carry noise")
    return None
