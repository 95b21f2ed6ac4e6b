"""What bad teaching does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import job
from tests.support.streams import served, with_pixels
from unlearn.algorithms.two_teachers import TwoTeachers
from unlearn.core import seeding
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS
from unlearn.training.state import state_of


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("finetune"), digits).trained()


def serve(digits, trained, step=None, **options):
    task = new_task(digits, job())
    state = served(instance("bad_teacher", **options), task, trained, step or ninth_step(digits))
    task.meter.settle()
    return state, task


def class_ids(digits, label=3):
    return digits.base_ids[digits.train_labels[digits.base_ids] == label]


def kl(target_logits, logits):
    """The mean of KL(target || other), written out."""
    logs, other = torch.log_softmax(target_logits, 1), torch.log_softmax(logits, 1)
    return (logs.exp() * (logs - other)).sum(1).mean()


def accuracy(digits, state, ids):
    task = new_task(digits, job())
    answers = task.trainer.predict(task, state, task.data.train_images[ids]).argmax(1)
    return float((answers.numpy() == digits.train_labels[ids]).mean())


def batch_of(task, ids):
    return next(iter(task.minibatches(ids, 0, batch_size=200)))


def test_a_student_equal_to_both_teachers_has_no_gradient(digits, trained):
    task = new_task(digits, job())
    ids = ninth_ids(digits)
    student, teacher, other = (task.model(trained) for _ in range(3))
    batch = batch_of(task, digits.base_ids)
    teachers = TwoTeachers(other, teacher, ids)
    teachers.divergence(student(batch.images), batch).backward()
    norm = sum(float(p.grad.double().square().sum()) for p in student.parameters()) ** 0.5
    assert norm < 1e-6
    assert checksum(state_of(teacher)) == checksum(state_of(other)) == checksum(trained)


def test_each_point_asks_one_teacher(digits, trained):
    """The mean over points of both divergences, each from the teacher to the student."""
    task = new_task(digits, job())
    ids = ninth_ids(digits)
    student, bad = task.new_model(5), task.new_model(6)
    good = task.model(trained)
    batch = batch_of(task, digits.base_ids)
    value = TwoTeachers(bad, good, ids).divergence(student(batch.images), batch)
    total = 0.0
    for chosen_ids, teacher in ((ids, bad), (np.setdiff1d(digits.base_ids, ids), good)):
        images = task.data.images(chosen_ids)
        total += len(chosen_ids) * float(kl(teacher(images), student(images)).detach())
    assert float(value.detach()) == pytest.approx(total / len(digits.base_ids), rel=1e-5)


def test_the_first_step_is_adams_along_the_gradient(digits, trained):
    """lr g / (|g| + 1e-8), without decay, from the random network of the seed."""
    ids = ninth_ids(digits)
    options = {"share": 1.0, "epochs": 1, "batch_size": 200, "lr": 0.01}
    state, task = serve(digits, trained, **options)
    model, good = task.bare_model(trained), task.bare_model(trained)
    bad = task.new_model(seeding.derive(0, "bad teacher"))
    retained = np.setdiff1d(digits.base_ids, ids)
    forget_loss = kl(bad(task.data.images(ids)).detach(), model(task.data.images(ids)))
    retain_images = task.data.images(retained)
    retain_loss = kl(good(retain_images).detach(), model(retain_images))
    (len(ids) * forget_loss + len(retained) * retain_loss).div(len(digits.base_ids)).backward()
    for name, parameter in model.named_parameters():
        step = 0.01 * parameter.grad / (parameter.grad.abs() + 1e-8)
        moved = (parameter.grad.abs() > 1e-5).numpy()
        expected = (parameter - step).detach().numpy()[moved]
        assert moved.any()
        assert np.asarray(state[name])[moved] == pytest.approx(expected, abs=2e-5)


def test_deleted_points_are_answered_like_the_random_network(digits, trained):
    ids = class_ids(digits)
    options = {"epochs": 20, "lr": 0.002}
    state, task = serve(digits, trained, request(digits, ids), **options)
    bad = task.new_model(seeding.derive(0, "bad teacher"))(task.data.images(ids)).detach()
    before = float(kl(bad, task.bare_model(trained)(task.data.images(ids)).detach()))
    after = float(kl(bad, task.bare_model(state)(task.data.images(ids)).detach()))
    assert after < 0.5 * before
    assert accuracy(digits, state, ids) < 0.3 < accuracy(digits, trained, ids)
    assert accuracy(digits, state, np.setdiff1d(digits.base_ids, ids)) > 0.7


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_one_share_of_the_retain_set_is_read_in_all_epochs(share, digits, trained):
    _, task = serve(digits, trained, share=share, epochs=3)
    ids = ninth_ids(digits)
    count = len(ids) + round(share * (len(digits.base_ids) - len(ids)))
    read_ids = np.flatnonzero(task.data.fed)
    assert len(read_ids) == count and set(ids) <= set(read_ids)
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 3 * count


def test_no_label_is_read(digits, trained):
    state, _ = serve(digits, trained)
    labels = (digits.train_labels + 3) % 10
    other, _ = serve(replace(digits, train_labels=labels), trained)
    assert checksum(state) == checksum(other)


def test_the_forget_set_is_read(digits, trained):
    state, _ = serve(digits, trained)
    other, _ = serve(with_pixels(digits, ninth_ids(digits), 77), trained)
    assert checksum(state) != checksum(other)


def test_nothing_changes_where_nothing_is_deleted(digits, trained):
    state, task = serve(digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == 0
    assert instance("bad_teacher").serves == ("delete",)


def test_a_share_above_1_is_refused():
    with pytest.raises(ValueError, match=r"share: 1\.5 is not allowed; allowed: number between 0"):
        instance("bad_teacher", share=1.5)
