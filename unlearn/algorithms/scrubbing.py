"""The passes of SCRUB: a student is driven away from its teacher, and held to it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch

from unlearn.algorithms.losses import Distance, cross_entropy
from unlearn.core import seeding
from unlearn.training.data import normalised
from unlearn.training.loop import EVALUATED_POINTS
from unlearn.training.state import State
from unlearn.training.task import Task

DECAY_EPOCHS = (3, 5, 9)
"""Epochs after which the published schedule divides the learning rate by ten."""


def scheduled_rate(schedule: str, lr: float, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0: `lr`, or a tenth of it for every decay."""
    if schedule == "constant":
        return lr
    return lr / 10 ** sum(epoch >= last_epoch for last_epoch in DECAY_EPOCHS)


class ScrubbingParameters(Protocol):
    """The hyper-parameters of SCRUB, with or without rewinding."""

    lr: float
    schedule: str
    """`constant`, or `steps`: see `scheduled_rate`."""
    gamma: float
    """Weight of the cross-entropy on the retain set."""
    alpha: float
    """Weight of the distance to the teacher on the retain set."""
    temperature: float
    batch_size: int | None
    """Retained points of a minibatch; None takes that of the recipe."""
    forget_batch_size: int
    """Deleted points of a minibatch."""


class Scrubbing:
    """A student, its teacher, and the one optimiser of both kinds of pass."""

    def __init__(self, method: ScrubbingParameters, task: Task, original: State, seed: int):
        """A student that is a copy of its teacher.

        Args:
            method: The hyper-parameters.
            task: Data, networks, recipe and meter.
            original: The teacher.
            seed: That of the member.
        """
        self.method = method
        self.task = task
        self.seed = seed
        self.student = task.model(original)
        self.teacher = task.model(original).eval()
        self.distance = Distance("kl", method.temperature)
        self.optimizer = task.optimizer(self.student, lr=method.lr, nesterov=task.recipe.nesterov)

    def max_pass(self, forget_ids: np.ndarray, epoch: int) -> None:
        """Ascend on the distance to the teacher; batch normalisation is frozen meanwhile."""
        self._set_rate(epoch)
        self.student.eval()
        order = seeding.derive(self.seed, "scrub")
        size = self.method.forget_batch_size
        for batch in self.task.minibatches(forget_ids, order, epoch, batch_size=size, min_points=1):
            self.optimizer.step(-self._distance(batch.images))

    def min_pass(self, retain_ids: np.ndarray, epoch: int) -> None:
        """Descend on the cross-entropy and on the distance to the teacher."""
        self._set_rate(epoch)
        self.student.train()
        smoothing = self.task.recipe.label_smoothing
        size = self.method.batch_size
        for batch in self.task.fine_tuning_batches(retain_ids, self.seed, epoch, size):
            logits = self.student(batch.images)
            loss = self.method.gamma * cross_entropy(logits, batch.labels, smoothing)
            if self.method.alpha:
                target = self._target(batch.images)
                loss = loss + self.method.alpha * self.distance(logits, target)
            self.optimizer.step(loss)

    def error(self, ids: np.ndarray) -> float:
        """The share of training points that the student classifies wrongly."""
        return float(self._mistakes(self.task.data.images(ids), self.task.data.labels(ids)).mean())

    def check_validation(self, forget_ids: np.ndarray) -> None:
        """Raise ValueError if no validation point has a class of the forget set."""
        classes = self.task.data.labels(forget_ids)
        if len(forget_ids) and not torch.isin(self.task.data.validation_labels, classes).any():
            raise ValueError(
                "validation: no point is of the classes of the forget set; allowed: a validation "
                "split with some"
            )

    def reference_error(self, forget_ids: np.ndarray) -> float:
        """The student's error on validation points, weighted to the classes of the forget set."""
        data = self.task.data
        classes = data.labels(forget_ids)
        index = torch.isin(data.validation_labels, classes)
        labels = data.validation_labels[index]
        mistakes = self._mistakes(normalised(data.validation_images[index], data), labels)
        class_counts = np.bincount(classes.cpu().numpy(), minlength=data.classes)
        return weighted_error(mistakes, labels.cpu().numpy(), class_counts)

    def _distance(self, images: torch.Tensor) -> torch.Tensor:
        return self.distance(self.student(images), self._target(images))

    def _target(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.distance.target(self.teacher(images))

    def _set_rate(self, epoch: int) -> None:
        rate = scheduled_rate(self.method.schedule, self.method.lr, epoch)
        self.optimizer.recipe = replace(self.optimizer.recipe, lr=rate)

    @torch.no_grad()
    def _mistakes(self, images: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
        """Whether each point is classified wrongly, in evaluation mode; charged as forward."""
        self.student.eval()
        chunks = zip(images.split(EVALUATED_POINTS), labels.split(EVALUATED_POINTS), strict=True)
        mistakes = [self.student(chunk).argmax(1) != chunk_labels for chunk, chunk_labels in chunks]
        return torch.cat(mistakes).cpu().numpy()


def weighted_error(mistakes: np.ndarray, labels: np.ndarray, class_counts: np.ndarray) -> float:
    """The error on points whose classes are weighted to a distribution.

    Args:
        mistakes: Whether each of N points is classified wrongly.
        labels: Their classes, N.
        class_counts: The weight of every class; classes without a point are left out.
    """
    point_counts = np.bincount(labels, minlength=len(class_counts))
    weights = class_counts[labels] / point_counts[labels]
    return float(weights @ mistakes / weights.sum())


def nearest_epoch(errors: Sequence[float], reference: float) -> int:
    """The place of the error nearest to the reference; the last of several."""
    gaps = np.abs(np.asarray(errors) - reference)
    return int(np.flatnonzero(gaps == gaps.min())[-1])
