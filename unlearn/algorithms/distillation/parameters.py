"""What a student is made by."""

from typing import Protocol

from unlearn.training.task import Task


class StudentParameters(Protocol):
    """The hyper-parameters of influence distillation, and the task of its students."""

    start: str
    """`fresh` weights, or those of the `teacher`."""
    teacher: str
    """The `original` model, or one that is `retrained`."""
    stream: str
    """Who teaches the student of a later request: the `original` model, or the last one where
    requests are `chained`."""
    alpha: float
    """The share of the teacher."""
    match: str
    """`kl` or `logits`: see `losses.Distance`."""
    temperature: float
    beta: float
    """The push off the deleted points."""
    bounded: bool
    """Whether the push ends at the loss of a uniform prediction."""
    weights: str
    """What the push is proportional to; `none` where nothing is pushed."""
    cap: float | None
    damping: float
    layers: str
    curvature_points: int
    most_points: int
    """These five, and `weights`, are those of `influence.forget_weights.ForgetWeights`."""
    epochs: int
    """Passes over the retain set."""
    batch_size: int
    lr: float
    schedule: str
    momentum: float
    weight_decay: float
    clip: float | None
    """The largest norm of a gradient; None for any."""

    def student_task(self, task: Task) -> Task:
        """The task as students see it."""
