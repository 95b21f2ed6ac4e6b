"""Minibatches of a task: their order, their size, and loops that are `fit` to the bit."""

import itertools
import math

import numpy as np
import pytest
import torch

from tests.support.jobs import task as new_task
from tests.support.visible_loops import IDS, RETAINED_IDS, is_same_state
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.training.loop import fit
from unlearn.training.state import state_of


def test_minibatches_are_full_by_default(digits):
    task = new_task(digits)
    batches = list(task.minibatches(RETAINED_IDS, 5, 1))
    assert [len(batch.ids) for batch in batches] == [32] * 6 + [4]
    assert [batch.index for batch in batches] == list(range(7))
    order = np.concatenate([batch.ids for batch in batches])
    assert np.array_equal(order, seeding.shuffled(RETAINED_IDS, seeding.derive(5, "epoch", 1)))
    for batch in batches:
        assert torch.equal(batch.images, task.data.images(batch.ids))
        assert torch.equal(batch.labels, task.data.labels(batch.ids))


def test_the_order_depends_on_seed_and_epoch(digits):
    task = new_task(digits)

    def order(*key):
        return np.concatenate([batch.ids for batch in task.minibatches(RETAINED_IDS, *key)])

    orders = [order(0, 0), order(0, 1), order(1, 0)]
    assert np.array_equal(order(0), orders[0])
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(orders, 2))


def test_minibatches_have_the_size_that_is_asked_for(digits):
    batches = new_task(digits).minibatches(RETAINED_IDS, 0, batch_size=50)
    assert [len(batch.ids) for batch in batches] == [50, 50, 50, 46]


def test_minibatches_of_too_few_points_are_left_out(digits):
    ids = IDS[:33]
    assert [len(b.ids) for b in new_task(digits).minibatches(ids, 0)] == [32, 1]
    assert [len(b.ids) for b in new_task(digits, model="resnet9").minibatches(ids, 0)] == [32]
    task = new_task(digits, model="resnet9")
    assert [len(b.ids) for b in task.minibatches(ids, 0, min_points=1)] == [32, 1]


def test_augmentation_can_be_left_out(digits):
    task = new_task(digits, crop=1, flip=True)
    (plain_batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500, augment=False)
    (augmented_batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500)
    assert np.array_equal(plain_batch.ids, augmented_batch.ids)
    assert torch.equal(plain_batch.images, task.data.images(plain_batch.ids))
    assert not torch.equal(plain_batch.images, augmented_batch.images)


def test_minibatches_among_all_points_are_those_of_fit(digits):
    """Deleted points leave gaps, nothing else moves, crops and flips are the same."""
    task = new_task(digits, model="cnn1", epochs=3, crop=1, flip=True)
    model = task.new_model(0)
    images_of_fit = []
    model.register_forward_hook(lambda _, inputs, logits: images_of_fit.append(inputs[0].clone()))
    fit(task, model, RETAINED_IDS, task.recipe, 7)
    batches = [
        batch
        for epoch in range(3)
        for batch in task.minibatches(RETAINED_IDS, 7, epoch, among=task.data.ids)
    ]
    assert len(batches) == len(images_of_fit) == 21
    assert all(
        torch.equal(batch.images, images)
        for batch, images in zip(batches, images_of_fit, strict=True)
    )
    assert [len(batch.ids) for batch in batches] != [32] * 21


@pytest.mark.parametrize("among", [None, IDS], ids=["full", "gaps"])
@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ("cnn1", {}),
        ("cnn1", {"schedule": "cosine", "crop": 1}),
        ("cnn2", {"optimizer": "adam", "lr": 0.003}),
        ("resnet9", {"nesterov": True, "schedule": "one_cycle"}),
    ],
    ids=str,
)
def test_a_visible_loop_is_fit_to_the_bit(digits, model, recipe, among):
    task = new_task(digits, model=model, **recipe)
    model_of_fit = task.new_model(0)
    model_of_loop = task.new_model(0)
    ordered_ids = RETAINED_IDS if among is None else among
    fit(task, model_of_fit, RETAINED_IDS, task.recipe, 3, among=ordered_ids)
    batch_count = math.ceil(len(ordered_ids) / task.recipe.batch_size)
    optimizer = task.optimizer(
        model_of_loop,
        lr=task.recipe.lr,
        schedule=task.recipe.schedule,
        nesterov=task.recipe.nesterov,
        steps=task.recipe.epochs * batch_count,
    )
    for epoch in range(task.recipe.epochs):
        for batch in task.minibatches(RETAINED_IDS, 3, epoch, among=among):
            loss = cross_entropy(model_of_loop(batch.images), batch.labels)
            assert optimizer.step(loss, epoch * batch_count + batch.index)
    assert is_same_state(state_of(model_of_fit), state_of(model_of_loop))


def test_points_outside_the_order_are_refused(digits):
    task = new_task(digits, model="mlp")
    ids = digits.base_ids
    for wrong, among in ((ids, ids[:50]), (np.append(ids, ids[:1]), None)):
        with pytest.raises(ValueError, match="they must be among those that are cut"):
            next(task.minibatches(wrong, 0, among=among))
