"""Requests that are out of the ordinary: checks of what a method makes of them.

A check raises AssertionError whose message is one line: the method, its parameters, what is wrong.
"""

from collections.abc import Mapping

import numpy as np
import torch

from unlearn.conformance.results import check_finite
from unlearn.conformance.subject import (
    Subject,
    arrays,
    checksum,
    first_step,
    mislabelled_digits,
    mislabelled_ids,
    request,
    trained_state,
    trainer_of,
)
from unlearn.data.dataset import Dataset
from unlearn.metrics.divergence import log_softmax
from unlearn.requests.request import NO_IDS, Request, Step
from unlearn.training.state import Overlay
from unlearn.training.task import Task

MISLABELLED_EPOCHS = 100
"""The epochs of training in which a small model learns wrong labels by heart."""

CHANCE_MULTIPLE = 2
"""The accuracy of the retain set stays above that of guessing, times this."""


def odd_steps(data: Dataset) -> dict[str, Step]:
    """Requests that are out of the ordinary, by the name of their check."""
    base_ids = data.base_ids
    odd_count = (len(base_ids) - 1) % 32  # leaves a last minibatch of one point
    addition = Request([NO_IDS], [data.held_out_ids[:9]])
    return {
        "empty_request": request(data, NO_IDS),
        "one_point": request(data, base_ids[:1]),
        "one_class": request(data, base_ids[data.train_labels[base_ids] == 3]),
        "odd_size": request(data, base_ids[:odd_count]),
        "addition": first_step(data, addition),
    }


def check_odd_request(subject: Subject, trained: Mapping, kind: str) -> None:
    """A request of `odd_steps` gives a finite state.

    A method without the retain set in `reads` keeps the model where nothing is deleted.
    """
    state, task = subject.serve(trained, step=odd_steps(subject.data)[kind])
    check_finite(subject, state)
    reads = subject.method.reads
    if kind == "empty_request" and "forget" in reads and "retain" not in reads:
        assert checksum(state) == checksum(trained), (
            f"{subject}: reads the forget set alone, and changes the model where it is empty"
        )
        work = task.meter.gradient_evaluations + task.meter.optimizer_steps
        assert work == 0, f"{subject}: works where nothing is deleted"


def check_direction(subject: Subject) -> None:
    """Wrong labels are forgotten: their loss rises, and the retain set is still known.

    Only a method that reads the forget set and changes weights is asked. A sixth of the training
    points has a wrong label and is deleted.
    """
    method = type(subject.method)
    if "forget" not in method.reads or not method.changes_weights:
        return
    forget_ids = mislabelled_ids()
    trained = trained_state(
        mislabelled_digits, subject.model, trainer_of(subject.method), MISLABELLED_EPOCHS
    )
    data = mislabelled_digits()
    step = request(data, forget_ids)
    subject = Subject(subject.method, data, subject.name, subject.model)
    task = subject.task(epochs=MISLABELLED_EPOCHS)
    state = arrays(Overlay(trained, subject.method.unlearn(task, trained, step, 0)))
    student_task = subject.method.student_task(task)
    loss_before = _loss(task, trained, forget_ids, data)
    loss = _loss(student_task, state, forget_ids, data)
    assert loss > loss_before, (
        f"{subject}: the loss of deleted points with wrong labels falls from {loss_before:.4f} "
        f"to {loss:.4f}"
    )
    logits = _logits(student_task, state, step.retain_ids, data)
    accuracy = (logits.argmax(1) == data.train_labels[step.retain_ids]).mean()
    least = CHANCE_MULTIPLE / data.description["classes"]
    assert accuracy > least, (
        f"{subject}: the accuracy of the retain set is {accuracy:.3f}; allowed: above {least:.3f}"
    )


def _logits(task: Task, state: Mapping, ids: np.ndarray, data: Dataset) -> np.ndarray:
    """The outputs of a state for training points, ids x classes."""
    pixels = torch.from_numpy(data.train_images[ids]).to(task.machine.device)
    return task.trainer.predict(task, state, pixels).numpy()


def _loss(task: Task, state: Mapping, ids: np.ndarray, data: Dataset) -> float:
    """The mean cross-entropy of training points."""
    log_probabilities = log_softmax(_logits(task, state, ids, data))
    return float(-log_probabilities[np.arange(len(ids)), data.train_labels[ids]].mean())
