"""What certified full-batch descent needs of architecture and recipe, known before training.

Importable without torch and scipy, for the plan of a study.
"""

from unlearn.certificates.constants import (
    Constants,
    fastest_rate,
    logistic_constants,
    softmax_constants,
)
from unlearn.core.setting import Setting
from unlearn.models.base import Architecture
from unlearn.models.bounded_logistic import BoundedLogistic
from unlearn.training.recipe import Recipe

INPUT_RADIUS = 1.0
"""R: the largest norm of an input of `bounded_logistic`, which divides rows by their norms."""

RECIPE = {
    "optimizer": "sgd",
    "momentum": 0,
    "nesterov": False,
    "schedule": "constant",
    "crop": 0,
    "flip": False,
    "cutout": 0,
    "mixup": 0,
    "label_smoothing": 0,
}
"""The recipe of a step that is a function of weights, points and rate alone."""


def constants(classes: int, weight_decay: float) -> Constants:
    """The proved constants of `bounded_logistic`; its two classes share one weight vector."""
    constants_of = logistic_constants if classes == 2 else softmax_constants
    return constants_of(INPUT_RADIUS, weight_decay)


def check(architecture: Architecture, recipe: Recipe, classes: int) -> None:
    """Raises ValueError unless every constant of descent is proved and steps do not expand."""
    if not isinstance(architecture, BoundedLogistic):
        raise ValueError(
            f"model: {type(architecture).__name__} has no proved constants; allowed: "
            "bounded_logistic"
        )
    for name, value in RECIPE.items():
        if getattr(recipe, name) != value:
            raise ValueError(
                f"{name}: {getattr(recipe, name)} is not allowed in certified descent; "
                f"allowed: {value}"
            )
    largest_rate = fastest_rate(constants(classes, recipe.weight_decay))
    if recipe.lr > largest_rate:
        raise ValueError(
            f"lr: {recipe.lr} is not allowed; allowed: at most 2 / (L + m) = {largest_rate:.6g}"
        )


def refusal(setting: Setting) -> str | None:
    """Why certified descent cannot train in a setting; None if it can, or not enough is known."""
    if setting.data is None or setting.model is None or setting.recipe is None:
        return None
    if setting.data.noised is not None:
        return (
            f"noised: {setting.data.noised} is not allowed; noise may be a function of deleted "
            "points; allowed: no noise"
        )
    try:
        check(setting.model, setting.recipe, setting.data.classes)
    except ValueError as error:
        return f"{error}"
    return None
