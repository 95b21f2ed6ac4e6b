"""Distillation against its controls: from scratch, without a push, of a clean teacher."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.distillation import Run, same
from tests.support.streams import deletions, with_pixels
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.training.loop import fit
from unlearn.training.state import state_of

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def run(digits):
    return Run(digits)


def test_the_student_from_scratch_is_plain_training(run, digits):
    """Bit for bit what the standard trainer gives for the student's architecture and recipe."""
    ids = digits.base_ids[::5]
    scratch = {"alpha": 0.0, "weights": "none", "student": "cnn1"}
    state = run.unlearn(deletions(ids), **scratch)[0]
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    task = run.student_task
    order = seeding.derive(0, "training")
    model = task.new_model(seeding.derive(0, "initial weights"))
    optimizer = task.optimizer(
        model, lr=0.05, momentum=0.9, weight_decay=0.0005, schedule="cosine", steps=14, clip=5.0
    )
    for epoch in range(2):
        for batch in task.minibatches(retain_ids, order, epoch, batch_size=32, among=task.data.ids):
            loss = cross_entropy(model(batch.images), batch.labels)
            optimizer.step(loss, 7 * epoch + batch.index)
    assert same(state_of(model), state)
    free = task.new_model(seeding.derive(0, "initial weights"))
    recipe = dataclasses.replace(
        task.recipe,
        epochs=2,
        batch_size=32,
        lr=0.05,
        momentum=0.9,
        weight_decay=0.0005,
        schedule="cosine",
    )
    fit(task, free, retain_ids, recipe, order)
    assert same(state_of(free), run.unlearn(deletions(ids), **scratch | {"clip": None})[0])
    assert not any(n.startswith("teacher/") for n in state)  # no student will need it
    later = run.unlearn(deletions(ids[:9], ids[9:]), **scratch)[1]
    assert same(later, state)
    clean_teacher = scratch | {"alpha": 0.9, "teacher": "retrained"}
    assert same(
        run.unlearn(deletions(ids[:9], ids[9:]), **clean_teacher)[1],
        run.unlearn(deletions(ids), **clean_teacher)[0],
    )
    unused = run.unlearn(deletions(ids), **scratch | {"beta": 9.0, "temperature": 1.0})[0]
    assert same(unused, state)


def test_without_a_push_the_deleted_points_are_not_read(run, digits):
    ids = digits.base_ids[::5]
    none = run.unlearn(deletions(ids), weights="none")[0]
    assert same(none, run.unlearn(deletions(ids), beta=0.0, weights="uniform")[0])
    assert same(
        none, run.unlearn(deletions(ids), data=with_pixels(digits, ids, 77), weights="none")[0]
    )
    pushed = run.unlearn(deletions(ids), weights="uniform")[0]
    assert not same(none, pushed)
    assert not same(
        pushed, run.unlearn(deletions(ids), data=with_pixels(digits, ids, 77), weights="uniform")[0]
    )


def test_the_teacher_is_read_and_never_asked_again(run, digits):
    """Its logits come from the artefact: other logits there give another student."""
    ids = digits.base_ids[::5]
    first = run.unlearn(deletions(ids), weights="none")[0]
    assert run.meters[0].forward_evaluations == 0
    other = dict(run.trained) | {"cache/logits": run.trained["cache/logits"].flip(1)}
    assert not same(first, run.unlearn(deletions(ids), other, weights="none")[0])
    zeros = {n: t * 0 for n, t in run.trained.items() if "/" not in n}
    assert same(first, run.unlearn(deletions(ids), run.trained | zeros, weights="none")[0])
    logits = run.trained["cache/logits"].clone()
    logits[torch.from_numpy(ids)] = 1e9
    changed = run.trained | {"cache/logits": logits}
    assert same(first, run.unlearn(deletions(ids), changed, weights="none")[0])


def test_the_clean_teacher_is_the_retrained_one(run, digits):
    ids = digits.base_ids[::5]
    state = run.unlearn(deletions(ids), weights="none", teacher="retrained")[0]
    clean_state = run.task.trainer.train(run.task, np.setdiff1d(digits.base_ids, ids), 0)
    assert same(state, run.unlearn(deletions(ids), clean_state, weights="none")[0])
    assert not same(state, run.unlearn(deletions(ids), weights="none")[0])
    assert run.task.trainer.retrain(run.task, digits.base_ids, 0).keys() == set(
        run.task.trainer.served(run.trained)
    )


def test_fine_tuning_starts_from_the_teacher(run, digits):
    ids = digits.base_ids[::5]
    before = {name: tensor.clone() for name, tensor in run.trained.items()}
    near = run.unlearn(deletions(ids), start="teacher", lr=1e-9, weights="uniform")[0]
    assert all(np.allclose(near[n], run.trained[n], atol=1e-5) for n in near if "/" not in n)
    far = run.unlearn(deletions(ids), start="teacher", weights="uniform")[0]
    assert not same(far, run.trained)
    assert same(before, run.trained, before)
