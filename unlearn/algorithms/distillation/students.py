"""What can be said of teachers and students before anything is trained.

Numpy and torch are not needed: the plan of a study asks here.
"""

from collections.abc import Mapping

from unlearn.core.guarantee import Promise
from unlearn.models import architectures
from unlearn.study.components import Part


def check(points: int, classes: int, held_out: int, **_) -> None:
    """Any data will do."""


def promise(**_) -> Promise:
    """Of retraining the teacher."""
    return Promise("exact", "the same initial weights, minibatches and rates, less the points")


def special(*, alpha: float, weights: str, teacher: str, start: str, **_) -> Promise | None:
    """Of students in which deleted points have no part; None of all others."""
    if start == "fresh" and weights == "none" and (alpha == 0 or teacher == "retrained"):
        return Promise("exact", "neither a teacher that saw the points nor they have a part in it")
    return None


def matches(options: Mapping, request: Part) -> None:
    """Any request will do."""


def supports(
    shape: tuple[int, int, int],
    classes: int,
    points: int,
    model: Part,
    recipe: Part,
    options: Mapping,
) -> None:
    """ValueError for a student that cannot be had of this data or of this teacher."""
    student = options.get("student")
    if options.get("start") == "teacher" and student is not None:
        raise ValueError(
            f"student: {student} cannot start as a copy of {model.kind}; allowed: null"
        )
    if student is not None:
        architectures.check(student, options["size"])
    elif options.get("size") is not None:
        raise ValueError(f"size: {options['size']} is not that of {model.kind}; allowed: null")
    if student not in (None, *architectures.FLAT) and 1 in shape[:2]:
        raise ValueError(f"student: {student} needs images; allowed of features: logistic, mlp")
    batch = options.get("batch_size")
    if batch is not None and batch > points:
        raise ValueError(f"batch_size: {batch} is more than the {points} points")
