"""Influence distillation: a student learns from the trained model, pushed off what is deleted."""

from unlearn.algorithms.distillation import architectures, references
from unlearn.algorithms.influence import weight_parameters
from unlearn.core import registry
from unlearn.methods.base import Method, parameter
from unlearn.training.recipe import SCHEDULES


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
    conformance_variants = (*references.CONTROLS, {"weights": "hessian"}, {"stream": "chained"})

    student: str | None = architectures.student_parameter()
    size: int | None = architectures.size_parameter()
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
    weights: str = weight_parameters.kind_parameter()
    cap: float | None = weight_parameters.cap_parameter()
    damping: float = weight_parameters.damping_parameter()
    layers: str = weight_parameters.layers_parameter()
    curvature_points: int = weight_parameters.curvature_points_parameter()
    most_points: int = weight_parameters.max_solved_points_parameter()
    epochs: int = parameter(10, minimum=1, help="Passes of the student over the retain set.")
    batch_size: int = parameter(128, minimum=2)
    lr: float = parameter(0.05, above=0, search=("log", 1e-3, 1.0))
    schedule: str = parameter("cosine", choices=SCHEDULES)
    momentum: float = parameter(0.9, minimum=0, below=1)
    weight_decay: float = parameter(0.0005, minimum=0, maximum=1_000_000)
    clip: float | None = parameter(5.0, above=0, help="The largest norm of a gradient.")

    def validate(self):
        """Raise ValueError for an architecture of the student that there is not."""
        architectures.check(self.student, self.size, self.start)

    def modules(self):
        """The module of the student's architecture."""
        return () if self.student is None else (registry.module("models", self.student),)

    def supports(self, setting):
        """Images for students that need them; minibatches no larger than the data set."""
        if setting.data is None:
            return None
        architecture = self.student_architecture()
        if architecture is not None and setting.data.features and not architecture.flat:
            return f"student: {self.student} needs images; allowed of features: logistic, mlp"
        if self.batch_size > setting.data.points:
            return f"batch_size: {self.batch_size} is more than the {setting.data.points} points"
        return None

    def guarantee_for(self, setting):
        """Students in which deleted points have no part are exact."""
        return references.guarantee(self.values())

    @property
    def continues(self):
        """Whether a later request builds on the student of an earlier one."""
        return self.stream == "chained"

    def references(self):
        """Students without influence of deleted points: without a teacher, and with a clean one."""
        return references.references(self.values())

    def student_architecture(self):
        """The architecture of the students, where they do not share that of the teacher."""
        return architectures.architecture(self.student, self.size)

    def student_task(self, task):
        """The task as the students see it."""
        architecture = self.student_architecture()
        return task if architecture is None else task.of(architecture)

    def unlearn(self, task, original, request, seed):
        """The student, and what the next request needs; ValueError where there is none."""
        from unlearn.algorithms.distillation import students

        return students.unlearn(self, task, original, request, seed)
