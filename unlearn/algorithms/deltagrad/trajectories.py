"""Sizes and limits of DeltaGrad's cached trajectories, known before anything is trained.

Importable without numpy and torch, for the plan of a study.
"""

import math

from unlearn.core.setting import Setting
from unlearn.training.recipe import Recipe

MODELS = ("logistic", "mlp")
"""The models whose gradients are computed in float64: stacks of linear layers."""

MIN_BATCH_POINTS = 1000
"""Points of a minibatch below which gradients are too noisy for a model of their curvature."""

VALUE_BYTES = {"float64": 8, "float32": 4}

REPLAYABLE = {
    "optimizer": "sgd",
    "momentum": 0,
    "nesterov": False,
    "crop": 0,
    "flip": False,
    "cutout": 0,
    "strong": False,
    "mixup": 0,
    "label_smoothing": 0,
    "adversarial": 0,
}
"""The recipe of a step that is a function of weights, minibatch and rate alone."""


def iterations(points: int, recipe: Recipe) -> int:
    """Minibatches of a whole training; `points` counts those outside base training as well."""
    return recipe.epochs * math.ceil(points / recipe.batch_size)


def cache_bytes(steps: int, parameters: int, cache: str) -> int:
    """Weights and a gradient for every iteration."""
    return 2 * VALUE_BYTES[cache] * steps * parameters


def parameter_count(shape: tuple[int, int, int], classes: int, hidden: int | None) -> int:
    """The number of weights and biases of a model with so many hidden units, or none."""
    inputs = math.prod(shape)
    if hidden is None:
        return (inputs + 1) * classes
    return (inputs + 1) * hidden + (hidden + 1) * classes


def check(setting: Setting, cache: str, max_cache_gb: float) -> None:
    """ValueError for a model or a recipe without a trajectory to replay, or one too long."""
    kind = type(setting.model).__name__.lower()
    if kind not in MODELS:
        raise ValueError(f"model: {kind} is none of {' and '.join(MODELS)}")
    check_recipe(setting.recipe)
    points = setting.data.points
    if setting.recipe.batch_size > points:
        raise ValueError(
            f"batch_size: {setting.recipe.batch_size} is more than the {points} points"
        )
    steps = iterations(points, setting.recipe)
    hidden = getattr(setting.model, "hidden", None)
    parameters = parameter_count(setting.data.shape, setting.data.classes, hidden)
    check_size(cache_bytes(steps, parameters, cache), max_cache_gb)


def check_recipe(recipe: Recipe) -> None:
    """ValueError unless a step is a function of weights, minibatch and rate alone."""
    for name, value in REPLAYABLE.items():
        if getattr(recipe, name) != value:
            raise ValueError(
                f"{name}: {getattr(recipe, name)} cannot be replayed; allowed: {value}"
            )


def check_size(size: int, limit: float) -> None:
    """ValueError for a cache of more than `limit` GB (1e9 bytes)."""
    if size > limit * 1e9:
        raise ValueError(
            f"the cache of a model would take {size / 1e9:.2f} GB, max_cache_gb: {limit}"
        )
