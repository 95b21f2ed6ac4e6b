"""Influence distillation: a student learns from the trained model, pushed off what is deleted."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from unlearn.algorithms.influence.forget_weights import Push
from unlearn.algorithms.losses import Distillation, Turns
from unlearn.core import seeding
from unlearn.models import architectures, networks
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.state import Changed, State, state_of
from unlearn.training.task import Task

LEAST, SHARE = 8, 4  # deleted points of a minibatch: one for four retained ones, 8 at least

REFERENCES = {
    "scratch": {
        "set": {"alpha": 0.0, "weights": "none", "start": "fresh"},
        "keep": (
            "student",
            "size",
            "epochs",
            "batch_size",
            "lr",
            "schedule",
            "momentum",
            "weight_decay",
            "clip",
        ),
    },
    "taught": {
        "set": {"teacher": "retrained", "weights": "none"},
        "keep": (
            "student",
            "size",
            "epochs",
            "batch_size",
            "lr",
            "schedule",
            "momentum",
            "weight_decay",
            "clip",
            "start",
            "alpha",
            "match",
            "temperature",
        ),
    },
}
"""Students that deleted points never had an influence on: without a teacher, of a clean one."""


@dataclass
class _Teacher:
    """Who teaches: the task as its models see it, its tensors, and the logits that are known."""

    task: Task
    state: State
    cache: State


class InfluenceDistillation:
    """A student replaces the trained model: it learns the labels and the trained model's logits of
    the retain set, and its loss on the deleted points is raised, the more the larger their
    influence on the trained model is (`unlearn.algorithms.losses`, `unlearn.algorithms.influence.forget_weights`).

    `teacher: retrained` has a clean teacher trained first, and `alpha: 0` with `weights: none` has
    none at all: the controls. `stream: original` has the original teacher teach a new student at
    every request, about all that is deleted so far; with `chained` the last student teaches.
    """

    trainer = "teacher"
    guarantee = "approximate"
    serves = ("delete", "add")

    def __init__(
        self,
        *,
        student: str | None,
        size: int | None,
        start: str,
        teacher: str,
        stream: str,
        alpha: float,
        match: str,
        temperature: float,
        beta: float,
        bounded: bool,
        weights: str,
        cap: float | None,
        damping: float,
        layers: str,
        curvature_points: int,
        most_points: int,
        epochs: int,
        batch_size: int,
        lr: float,
        schedule: str,
        momentum: float,
        weight_decay: float,
        clip: float | None,
    ):
        self.student = student
        self.size = size
        self.start = start
        self.teacher = teacher
        self.stream = stream
        self.alpha = alpha
        self.match = match
        self.temperature = temperature
        self.beta = beta
        self.bounded = bounded
        self.weights = weights
        self.cap = cap
        self.damping = damping
        self.layers = layers
        self.curvature_points = curvature_points
        self.most_points = most_points
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.schedule = schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip = clip

    def models(self, task: Task) -> Task:
        """The task as the students see it."""
        if self.student is None:
            return task
        return task.of(self.student, architectures.parameters(self.student, self.size))

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The student, and what the next request needs.

        ValueError if no point is left, or if an influence cannot be computed.
        """
        if not len(request.retain):
            raise ValueError("no training data left")
        own, teacher = self.models(task), self._teacher(task, trained, request, seed)
        chained = self.stream == "chained" and self.teacher == "original"
        gone = request.deleted if chained else request.forget
        pushed = gone if self.weights != "none" and self.beta > 0 else gone[:0]
        known = self._known(task, teacher, request.retain, pushed)
        weights = torch.full((len(task.data.train_labels),), -1.0)
        if len(pushed):
            weights[pushed] = self._push().weights(
                teacher.task, teacher.state, known["cache/logits"], pushed, request.retain, seed
            )
        initial = seeding.derive(seed, "initial weights")
        model = own.model(teacher.state) if self.start == "teacher" else own.new_model(initial)
        self._learn(own, model, known["cache/logits"], weights, request.retain, pushed, seed)
        return self._after(task, own, trained, state_of(model), known, request)

    @property
    def continues(self) -> bool:
        """Whether a later request builds on the student of an earlier one."""
        return self.stream == "chained"

    @property
    def _listens(self) -> bool:
        """Whether a student ever asks the original teacher."""
        taught = self.alpha > 0 or self.weights != "none" or self.start == "teacher"
        return taught and self.teacher == "original"

    def _push(self) -> Push:
        return Push(
            kind=self.weights,
            cap=self.cap,
            damping=self.damping,
            layers=self.layers,
            curvature_points=self.curvature_points,
            most_points=self.most_points,
        )

    def _known(
        self, task: Task, teacher: _Teacher, retain: np.ndarray, pushed: np.ndarray
    ) -> State:
        """The logits that are needed, with those that are missing computed."""
        asked = [retain] if self.alpha > 0 else []
        asked += [pushed] if self.weights == "teacher_loss" else []
        ids = np.concatenate([*asked, retain[:0]])
        return task.trainer.known(teacher.task, teacher.state, teacher.cache, ids)

    def _teacher(self, task: Task, trained: State, request: Step, seed: int) -> _Teacher:
        if self.teacher == "retrained":
            state = task.trainer.train(task, request.retain, seed)
            return _Teacher(task, state, state)
        if not int(np.asarray(trained["cache/generation"])):
            return _Teacher(task, trained, trained)
        if self.stream == "chained":
            return _Teacher(self.models(task), trained, trained)
        names = (n.removeprefix("teacher/") for n in trained if n.startswith("teacher/"))
        return _Teacher(task, {n: trained[f"teacher/{n}"] for n in names}, trained)

    def _learn(
        self,
        own: Task,
        model: torch.nn.Module,
        logits: torch.Tensor,
        weights: torch.Tensor,
        retain: np.ndarray,
        pushed: np.ndarray,
        seed: int,
    ) -> None:
        """Train the student in place."""
        recipe = {name: getattr(self, name) for name in ("epochs", "batch_size", "lr", "schedule")}
        recipe |= {"momentum": self.momentum, "weight_decay": self.weight_decay}
        recipe |= {"optimizer": "sgd", "nesterov": False, "crop": 0, "flip": False}
        recipe |= {"cutout": 0, "mixup": 0}
        plain = {
            "seed": seeding.derive(seed, "training"),
            "clip": math.inf if self.clip is None else self.clip,
            "what": "distillation",
        }
        if len(pushed) and networks.has_batch_statistics(model):
            warnings.warn(
                "batch normalisation lets deleted points into the statistics of the student; "
                "allowed without: cnn1, cnn2, mlp, logistic",
                stacklevel=2,
            )
        if self.alpha == 0 and not len(pushed):
            fit(own, model, retain, recipe, **plain)
            return
        objective = Distillation(
            alpha=self.alpha,
            match=self.match,
            temperature=self.temperature,
            beta=self.beta,
            bound=math.log(own.data.classes) if self.bounded else math.inf,
        )
        device = own.machine.device
        labels = own.data.train_labels
        targets = objective.targets(labels, logits.to(device), weights.to(device))
        size = max(LEAST, self.batch_size // SHARE)
        turns = Turns(pushed, size, seeding.derive(seed, "deleted points"))
        fit(
            own,
            model,
            retain,
            recipe,
            loss=objective,
            targets=targets,
            beside=turns if len(pushed) else None,
            **plain,
        )
        if objective.seen:
            own.meter.count("active_fraction", float(objective.active) / objective.seen)

    def _after(
        self, task: Task, own: Task, trained: State, student: State, known: State, request: Step
    ) -> Changed:
        """The state that the next request meets."""
        generation = np.asarray(trained["cache/generation"]) + 1
        changes: dict = {name: None for name in task.trainer.served(trained)}
        if self.stream == "chained":
            nothing = {name: torch.zeros_like(tensor) for name, tensor in known.items()}
            changes |= task.trainer.known(own, student, nothing, request.retain)
            return Changed(trained, changes | student | {"cache/generation": generation})
        if self._listens and generation == 1:
            changes |= {
                f"teacher/{name}": torch.as_tensor(trained[name]).clone() for name in changes
            }
        present = np.asarray(trained["cache/present"])
        if self._listens and not np.array_equal(known["cache/present"], present):
            changes |= {name: known[name] for name in ("cache/logits", "cache/present")}
        return Changed(trained, changes | student | {"cache/generation": generation})
