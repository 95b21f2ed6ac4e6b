"""What can be said of DeltaGrad's cached trajectories before anything is trained.

Numpy and torch are not needed: the plan of a study asks here.
"""

import math
from collections.abc import Mapping

from unlearn.core.guarantee import Promise
from unlearn.study.components import Part

MODELS = ("logistic", "mlp")
"""The models whose gradients are computed in float64: stacks of linear layers."""

SMALL = 1000
"""Points of a minibatch below which gradients are too noisy for a model of their curvature."""

BYTES = {"float64": 8, "float32": 4}


def iterations(points: int, recipe: Mapping) -> int:
    """Minibatches of a whole training; `points` counts those outside base training as well."""
    return recipe["epochs"] * math.ceil(points / recipe["batch_size"])


def cache_bytes(steps: int, parameters: int, cache: str) -> int:
    """Weights and a gradient for every iteration."""
    return 2 * BYTES[cache] * steps * parameters


def parameters(shape: tuple[int, int, int], classes: int, model: Part) -> int:
    """The number of weights and biases of a model of `MODELS`."""
    inputs = math.prod(shape)
    hidden = model.parameters.get("hidden")
    if hidden is None:
        return (inputs + 1) * classes
    return (inputs + 1) * hidden + (hidden + 1) * classes


def check(points: int, classes: int, held_out: int, **_) -> None:
    """Any data will do."""


def promise(**_) -> Promise:
    """Of retraining; what DeltaGrad itself reaches is approximate."""
    return Promise("exact", "the same initial weights, minibatches and rates, less the points")


def matches(options: Mapping, request: Part) -> None:
    """Any request will do."""


def supports(
    shape: tuple[int, int, int], classes: int, points: int, model: Part, recipe: Part, options: Part
) -> None:
    """ValueError for a model or a recipe without a trajectory to replay, or one that is too long.

    `options`: parameters of the trainer, and of the method where it is known.
    """
    if model.kind not in MODELS:
        raise ValueError(f"model: {model.kind} is none of {' and '.join(MODELS)}")
    check_recipe(recipe.parameters)
    if recipe.parameters["batch_size"] > points:
        raise ValueError(
            f"batch_size: {recipe.parameters['batch_size']} is more than the {points} points"
        )
    steps = iterations(points, recipe.parameters)
    size = cache_bytes(steps, parameters(shape, classes, model), options["cache"])
    check_size(size, options["max_cache_gb"])
    if options.get("burn_in", 0) > steps:
        raise ValueError(
            f"burn_in: {options['burn_in']} is more than the {steps} iterations; "
            f"allowed: 0 .. {steps}"
        )


def check_recipe(recipe: Mapping) -> None:
    """ValueError unless a step is a function of weights, minibatch and rate alone."""
    wanted = {"optimizer": "sgd", "momentum": 0, "nesterov": False, "crop": 0, "flip": False}
    wanted |= {"cutout": 0, "mixup": 0}
    for name, value in wanted.items():
        if recipe[name] != value:
            raise ValueError(f"{name}: {recipe[name]} cannot be replayed; allowed: {value}")


def check_size(size: int, limit: float) -> None:
    """ValueError for a cache of more than `limit` GB (1e9 bytes)."""
    if size > limit * 1e9:
        raise ValueError(
            f"the cache of a model would take {size / 1e9:.2f} GB, max_cache_gb: {limit}"
        )
