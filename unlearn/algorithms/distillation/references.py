"""Students in which deleted points have no influence, which other students are compared with.

Importable without torch: the plan of a study makes variants of them, and tells what is exact.
"""

from collections.abc import Mapping
from typing import Any

from unlearn.core.guarantee import Guarantee

SCRATCH = {"alpha": 0.0, "weights": "none", "start": "fresh"}
"""A student without a teacher."""

TAUGHT = {"teacher": "retrained", "weights": "none"}
"""A student of a clean teacher."""

CONTROLS = (SCRATCH, TAUGHT)

TRAINING = (
    "student",
    "size",
    "epochs",
    "batch_size",
    "lr",
    "schedule",
    "momentum",
    "weight_decay",
    "clip",
)
"""The parameters of a student's training, which its references share."""

TEACHING = ("start", "alpha", "match", "temperature")
"""The parameters of what a student learns from its teacher."""


def guarantee(values: Mapping[str, Any]) -> Guarantee:
    """How exact a student of these parameters is."""
    has_no_trained_teacher = values["alpha"] == 0 or values["teacher"] == "retrained"
    if values["start"] == "fresh" and values["weights"] == "none" and has_no_trained_teacher:
        reason = "neither the points nor a teacher trained on them have a part in the student"
        return Guarantee("exact", reason)
    return Guarantee("approximate")


def references(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of both references of a student, by suffix; none for a reference itself.

    `values` are the parameters of the student.
    """
    if any(reference.items() <= values.items() for reference in CONTROLS):
        return {}
    training = {name: values[name] for name in TRAINING}
    teaching = {name: values[name] for name in TEACHING}
    return {"scratch": training | SCRATCH, "taught": training | teaching | TAUGHT}
