"""What a method reads, charges and promises: checks of its declarations by what it does.

A check raises AssertionError whose message is one line: the method, its parameters, what is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from unlearn.conformance.files import opened_files
from unlearn.conformance.subject import (
    Subject,
    arrays,
    checksum,
    facts,
    ninth_ids,
    ninth_step,
    setting,
    with_pixels,
)
from unlearn.data.dataset import Dataset
from unlearn.training.meter import FlopCounter, Meter

MAX_FLOPS_PER_CHARGED = 1.1
"""Arithmetic that torch sees, in units of what is charged: gradients of single points take more."""


def check_work(subject: Subject, trained: Mapping) -> None:
    """Weights that change are charged, and no less than the arithmetic that torch sees."""
    state, task = subject.usual(trained)
    meter = task.meter
    work = meter.gradient_evaluations + meter.forward_evaluations + meter.optimizer_steps
    if not subject.method.reads:  # arithmetic on weights is no work on points
        assert work == meter.flops == 0, f"{subject}: reads no point and charges {work}"
    elif subject.changes(trained, state):
        assert work > 0, f"{subject}: changes weights and charges nothing"
    assert (work > 0) is (meter.flops > 0), f"{subject}: charges {work} passes, no FLOPs"
    task = subject.task()
    task.meter = Meter(meter.flops_by_model)  # else it counts what a sample takes once more
    with FlopCounter() as counter:
        subject.method.unlearn(task, trained, ninth_step(subject.data), 0)
    task.meter.settle()
    assert counter.flops <= MAX_FLOPS_PER_CHARGED * task.meter.flops, (
        f"{subject}: charges {task.meter.flops} FLOPs and does {counter.flops}"
    )


def check_cost(subject: Subject, trained: Mapping) -> None:
    """Gradients of points are counted exactly as the method's formula says, where it has one."""
    deleted = len(ninth_ids(subject.data))
    retained = len(subject.data.base_ids) - deleted
    formula = subject.method.gradient_evaluations(retained, deleted, subject.task().recipe)
    if formula is None:
        pytest.skip(f"{subject}: declares no `gradient_evaluations`")
    _, task = subject.usual(trained)
    counted = task.meter.gradient_evaluations
    assert counted == formula, f"{subject}: declares {formula} gradients of points, takes {counted}"


def check_reads(subject: Subject, trained: Mapping) -> None:
    """Points whose use is not declared can be destroyed without being missed."""
    data = subject.data
    ids = ninth_ids(data)
    state, task = subject.usual(trained)
    reads = subject.method.reads
    assert (task.data.validation is None) is ("validation" not in reads)
    unread = {"forget": ids, "retain": np.setdiff1d(data.base_ids, ids)}
    for split in sorted(unread.keys() - set(reads)):
        other, _ = subject.serve(trained, destroyed(data, unread[split]))
        assert checksum(state) == checksum(other), (
            f"{subject}: declares to read {sorted(reads)} and reads the {split} set"
        )


def check_awareness(subjects: Sequence[Subject]) -> None:
    """A method that declares to read the forget set does so at some parameters of the suite."""
    method = type(subjects[0].method)
    if "forget" not in method.reads:
        pytest.skip(f"{subjects[0]}: does not declare to read the forget set")
    for subject in subjects:
        trained = subject.trained()
        state, _ = subject.usual(trained)
        other, _ = subject.serve(trained, destroyed(subject.data, ninth_ids(subject.data)))
        if checksum(state) != checksum(other):
            return
    raise AssertionError(f"{subjects[0]}: declares to read the forget set and does not need it")


def destroyed(data: Dataset, ids: np.ndarray) -> Dataset:
    """The data with noise and wrong labels in the place of these training points."""
    noise = np.random.default_rng(0).integers(0, 256, data.train_images[ids].shape, dtype=np.uint8)
    labels = data.train_labels.copy()
    labels[ids] = (labels[ids] + 1) % 10
    return replace(with_pixels(data, ids, noise), train_labels=labels)


def check_test_set(subject: Subject, trained: Mapping) -> None:
    """The test set can be destroyed without being missed, and no file is read."""
    data = subject.data
    state, _ = subject.usual(trained)
    other_tests = replace(
        data, test_images=255 - data.test_images, test_labels=(data.test_labels + 1) % 10
    )
    with opened_files() as paths:
        other, _ = replace(subject, data=other_tests).serve(trained)
    assert not paths, f"{subject}: reads a file while it unlearns: {paths[0]}"
    assert checksum(state) == checksum(other), f"{subject}: reads the test set"


def check_exactness(subject: Subject, trained: Mapping) -> None:
    """What is called exact knows nothing of the deleted points.

    Its result does not change where they are destroyed before training. A method that is as exact
    as its trainer gives what retraining gives, to the bit.
    """
    data = subject.data
    task = subject.task()
    promise = subject.method.guarantee_for(setting(task, facts(data), subject.method))
    if promise.level != "exact":
        pytest.skip(f"{subject}: promises {promise.level}, not exact")
    ids = ninth_ids(data)
    state, _ = subject.usual(trained)
    if type(subject.method).guarantee == "exact":
        oracles = retrained(subject, np.setdiff1d(data.base_ids, ids))
        assert any(subject.is_same(state, oracle) for oracle in oracles), (
            f"{subject}: declares exact and differs from retraining"
        )
    other_data = destroyed(data, ids)
    other, _ = subject.serve(subject.trained(other_data), other_data)
    assert subject.is_same(state, other), (
        f"{subject}: declares exact and depends on the deleted points"
    )


def retrained(subject: Subject, retain_ids: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """The oracle, in every order that its trainer offers."""
    for order in subject.task().trainer.orders:
        task = subject.task()
        if order == "recut":
            task = replace(task, ordered_ids=retain_ids)
        yield arrays(task.trainer.retrain(task, retain_ids, 0))
