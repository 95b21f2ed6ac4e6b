"""The architecture of a student: its name and its size, or that of its teacher.

Importable without torch: the plan of a study checks it.
"""

from unlearn.core import registry
from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture


def student_parameter() -> str | None:
    """The field with the name of the architecture."""
    text = "The architecture of the student; null is that of the trained model."
    return parameter(None, help=text)


def size_parameter() -> int | None:
    """The field with the size of the architecture."""
    text = "The width or hidden units of the student; null takes its default."
    return parameter(None, minimum=1, help=text)


def architecture(student: str | None, size: int | None) -> Architecture | None:
    """The architecture of a student; None where it is that of the teacher.

    Args:
        student: The name of an architecture.
        size: The width or hidden units; None takes the default of the architecture.

    Raises:
        ValueError: The architecture has no size, or not this one.
    """
    return None if student is None else registry.find("models", student).of_size(size)


def check(student: str | None, size: int | None, start: str) -> None:
    """Raise ValueError for an architecture that does not exist, or that `start` rules out.

    Args:
        student: As for `architecture`.
        size: As for `architecture`.
        start: `teacher` for a student that starts as a copy of its teacher.
    """
    if student is None:
        if size is not None:
            raise ValueError(f"size: {size} needs a student; allowed: null")
        return
    names = registry.names("models")
    if student not in names:
        raise ValueError(f"student: {student} is unknown; allowed: null, {', '.join(names)}")
    if start == "teacher":
        raise ValueError(f"student: {student} cannot start as a copy of the teacher; allowed: null")
    architecture(student, size)
