"""Digits of which some have a wrong label, and what a method does about these."""

from dataclasses import replace

import numpy as np
import torch

from tests.support.conformance import Subject, request
from tests.support.jobs import build
from unlearn.core import seeding
from unlearn.data.dataset import Dataset
from unlearn.methods.base import Method

SWAPPED_POINTS = 50


def digits_with_wrong_labels() -> tuple[Dataset, np.ndarray]:
    """1,000 digits, and the ids of those whose labels are those of the next class."""
    data = build("digits", subset=1000)
    ids = np.sort(seeding.shuffled(data.base_ids, 5)[:SWAPPED_POINTS])
    labels = data.train_labels.copy()
    labels[ids] = (labels[ids] + 1) % 10
    return replace(data, train_labels=labels), ids


class WrongLabels:
    """A model that was trained with wrong labels, and the effect of their deletion."""

    def __init__(self, method: Method, model: str = "cnn1"):
        self.data, self.ids = digits_with_wrong_labels()
        self.subject = Subject(method, self.data, model=model)
        self.trained = self.subject.trained()

    def served(self, method: Method) -> dict[str, np.ndarray]:
        """The state after the wrong labels are deleted."""
        subject = replace(self.subject, method=method)
        return subject.serve(self.trained, step=request(self.data, self.ids))[0]

    def loss(self, state: dict[str, np.ndarray]) -> float:
        """The mean cross-entropy of the deleted points with their wrong labels."""
        logits, labels = self._predict(state, self.ids)
        return float(torch.nn.functional.cross_entropy(logits, labels))

    def retain_accuracy(self, state: dict[str, np.ndarray]) -> float:
        """The accuracy on all other points."""
        logits, labels = self._predict(state, np.setdiff1d(self.data.base_ids, self.ids))
        return float((logits.argmax(1) == labels).float().mean())

    def _predict(
        self, state: dict[str, np.ndarray], ids: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        task = self.subject.task()
        logits = task.trainer.predict(task, state, task.data.train_images[ids])
        return logits, task.data.train_labels[ids].cpu()
