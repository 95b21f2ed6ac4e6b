"""Influence distillation: a student learns from the trained model, pushed off what is deleted."""

from unlearn.core import registry
from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, parameter
from unlearn.training.recipe import SCHEDULES

SCRATCH = {"alpha": 0.0, "weights": "none", "start": "fresh"}
"""A student without a teacher."""

TAUGHT = {"teacher": "retrained", "weights": "none"}
"""A student of a clean teacher."""


class InfluenceDistillation(Method):
    """Distil a student on the retain set, and push it off the deleted points by their influence.

    The student learns the labels and the trained model's logits of the retain set. Its loss on the
    deleted points is raised: the larger their influence on the trained model, the more.
    `teacher: retrained` and `alpha: 0`, both with `weights: none`, are controls: students in which
    deleted points have no part.

    Cost:
        `epochs` passes of the student over the retain set, a forward pass of the teacher for each,
        and the curvature.

    Pitfalls:
        What the teacher knows of deleted points passes to the student through its logits. A student
        of another size is compared with the oracle of its own architecture.
    """

    trainer = "teacher"
    guarantee = "approximate"
    conformance_variants = (SCRATCH, TAUGHT, {"weights": "hessian"}, {"stream": "chained"})

    student: str | None = parameter(
        None, help="The architecture of the student; null is that of the trained model."
    )
    size: int | None = parameter(
        None, minimum=1, help="The width or hidden units of the student; null takes its default."
    )
    start: str = parameter(
        "fresh",
        choices=("fresh", "teacher"),
        help="New weights, or fine-tuning from those of the teacher.",
    )
    teacher: str = parameter(
        "original",
        choices=("original", "retrained"),
        help="retrained is a control: a teacher that never saw the deleted points, trained for it.",
    )
    stream: str = parameter(
        "original",
        choices=("original", "chained"),
        help="Who teaches the student of a later request: the original model, or the last student.",
    )
    alpha: float = parameter(
        0.9, minimum=0, maximum=1, help="The share of the teacher; 1 - alpha is that of the labels."
    )
    match: str = parameter(
        "kl",
        choices=("kl", "logits"),
        help="Temperature-scaled Kullback-Leibler divergence, or squared error of centred logits.",
    )
    temperature: float = parameter(4.0, minimum=0.001, maximum=1000)
    beta: float = parameter(0.05, minimum=0, help="The push off the deleted points.")
    bounded: bool = parameter(
        True, help="Whether the push ends at the loss of a uniform prediction, ln C."
    )
    weights: str = parameter(
        "fisher",
        choices=("none", "uniform", "teacher_loss", "fisher", "hessian"),
        help="What a deleted point's share of the push is proportional to; none pushes none.",
    )
    cap: float | None = parameter(10.0, minimum=1, help="The largest weight; their mean is 1.")
    damping: float = parameter(
        0.01, above=0, help="fisher, hessian. Added to the diagonal, relative to its mean."
    )
    layers: str = parameter(
        "auto",
        choices=("auto", "last", "all"),
        help="Whose weights have influence; auto is all for fisher, last for hessian.",
    )
    curvature_points: int = parameter(
        2000, minimum=1, help="Retained points that the curvature is taken from."
    )
    most_points: int = parameter(
        64, minimum=1, help="Deleted points up to which large systems are solved one by one."
    )
    epochs: int = parameter(10, minimum=1, help="Passes of the student over the retain set.")
    batch_size: int = parameter(128, minimum=2)
    lr: float = parameter(0.05, above=0, search=("log", 1e-3, 1.0))
    schedule: str = parameter("cosine", choices=SCHEDULES)
    momentum: float = parameter(0.9, minimum=0, below=1)
    weight_decay: float = parameter(0.0005, minimum=0, maximum=1_000_000)
    clip: float | None = parameter(5.0, above=0, help="The largest norm of a gradient.")

    def validate(self):
        """Raise ValueError for an architecture of the student that there is not."""
        if self.student is not None:
            if self.student not in registry.names("models"):
                names = ", ".join(registry.names("models"))
                raise ValueError(f"student: {self.student} is unknown; allowed: null, {names}")
            if self.start == "teacher":
                raise ValueError(
                    f"student: {self.student} cannot start as a copy of the teacher; allowed: null"
                )
            self.architecture()
        elif self.size is not None:
            raise ValueError(f"size: {self.size} needs a student; allowed: null")

    def modules(self):
        """The module of the student's architecture."""
        return () if self.student is None else (registry.module("models", self.student),)

    def architecture(self):
        """The architecture of the student; ValueError for a size where there is none."""
        return registry.find("models", self.student).of_size(self.size)

    def supports(self, setting):
        """Images for students that need them; minibatches no larger than the data set."""
        if setting.data is None:
            return None
        if self.student is not None and setting.data.features and not self.architecture().flat:
            return f"student: {self.student} needs images; allowed of features: logistic, mlp"
        if self.batch_size > setting.data.points:
            return f"batch_size: {self.batch_size} is more than the {setting.data.points} points"
        return None

    def guarantee_for(self, setting):
        """Students in which deleted points have no part are exact."""
        has_no_trained_teacher = self.alpha == 0 or self.teacher == "retrained"
        if self.start == "fresh" and self.weights == "none" and has_no_trained_teacher:
            reason = "neither the points nor a teacher trained on them have a part in the student"
            return Guarantee("exact", reason)
        return Guarantee(self.guarantee)

    @property
    def continues(self):
        """Whether a later request builds on the student of an earlier one."""
        return self.stream == "chained"

    def references(self):
        """Students without influence of deleted points: without a teacher, and with a clean one."""
        values = self.values()
        if any(reference.items() <= values.items() for reference in (SCRATCH, TAUGHT)):
            return {}
        training = {name: values[name] for name in TRAINING}
        teaching = {name: values[name] for name in TEACHING}
        return {"scratch": training | SCRATCH, "taught": training | teaching | TAUGHT}

    def student_architecture(self):
        """The architecture of the students, where they do not share that of the teacher."""
        return None if self.student is None else self.architecture()

    def student_task(self, task):
        """The task as the students see it."""
        return task if self.student is None else task.of(self.architecture())

    def unlearn(self, task, original, request, seed):
        """The student, and what the next request needs.

        ValueError if no point is left, or if an influence cannot be computed.
        """
        from unlearn.algorithms.distillation import students

        return students.unlearn(self, task, original, request, seed)


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
