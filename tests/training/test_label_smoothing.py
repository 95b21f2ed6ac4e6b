"""Labels that are spread over all classes: honoured by what trains by a recipe, or refused."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.jobs import job
from tests.support.jobs import task as new_task
from tests.support.sisa import final, scratch
from tests.support.streams import deletions, served_steps
from tests.support.study import load
from unlearn.algorithms.influence import curvature
from unlearn.algorithms.influence.curvature import LabelledPoints
from unlearn.algorithms.influence.forget_weights import ForgetWeights, InfluencedModel
from unlearn.algorithms.influence.weights import weights_of
from unlearn.algorithms.losses import Distance, Distillation, Push
from unlearn.core import registry, seeding
from unlearn.jobs.setup import new_task as task_of_job
from unlearn.study.load import StudyError
from unlearn.training.loop import fit
from unlearn.training.recipe import Recipe
from unlearn.training.state import state_of

ONE_STEP = {"epochs": 1, "batch_size": 200, "momentum": 0.0, "weight_decay": 0.0, "lr": 0.5}
"""A recipe of one step of plain descent on 200 points."""


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 0.7])
def test_training_descends_on_the_loss_of_torch(digits, model, smoothing):
    task = new_task(digits, model=model, **ONE_STEP, label_smoothing=smoothing)
    ids = digits.base_ids
    network = task.new_model(0)
    plain_network = task.bare_model(state_of(network))
    logits = plain_network(task.data.images(ids))
    functional.cross_entropy(logits, task.data.labels(ids), label_smoothing=smoothing).backward()
    rate = 0.5  # cosine, step 0
    fit(task, network, ids, task.recipe, 0, among=ids)
    for trained, parameter in zip(network.parameters(), plain_network.parameters(), strict=True):
        expected = parameter.detach() - rate * parameter.grad
        torch.testing.assert_close(trained.detach(), expected, atol=1e-6, rtol=1e-5)


def test_smoothed_models_are_less_certain(digits):
    probabilities = []
    for smoothing in (0.0, 0.3):
        task = new_task(digits, epochs=30, label_smoothing=smoothing)
        state = task.trainer.train(task, digits.base_ids, 0)
        logits = task.trainer.predict(task, state, task.data.train_images)
        probabilities.append(float(logits.softmax(1).amax(1)[digits.base_ids].mean()))
    assert probabilities[0] > 0.95
    assert probabilities[1] < 0.85


def test_labels_are_mixed_and_smoothed(digits):
    states = []
    for options in ({}, {"mixup": 0.5}, {"mixup": 0.5, "label_smoothing": 0.2}):
        task = new_task(digits, model="cnn1", epochs=1, **options)
        states.append(task.trainer.train(task, digits.base_ids, 0))
    name = next(iter(states[0]))
    assert not torch.equal(states[1][name], states[2][name])
    assert not torch.equal(states[0][name], states[2][name])


def test_no_smoothing_is_the_training_of_old_to_the_bit(digits):
    """And the keys of SISA's checkpoints know of smoothing only where there is some."""
    assert "label_smoothing" not in Recipe().identity()
    assert Recipe(label_smoothing=0.1).identity()["label_smoothing"] == 0.1
    task = new_task(digits, model="cnn1")
    model = task.new_model(0)
    fit(task, model, digits.base_ids, task.recipe, 5)
    loop_model = task.new_model(0)
    optimizer = task.optimizer(loop_model, lr=0.1, schedule="cosine", steps=14)
    for epoch in range(2):
        for batch in task.minibatches(digits.base_ids, 5, epoch, among=task.data.ids):
            loss = functional.cross_entropy(loop_model(batch.images), batch.labels)
            optimizer.step(loss, 7 * epoch + batch.index)
    assert all(map(torch.equal, model.parameters(), loop_model.parameters()))


@pytest.mark.parametrize("value", [1, -0.1, "much", True])
def test_other_shares_are_refused(value):
    message = f"label_smoothing: {value!r} is not allowed; allowed: number between 0 and 1, 1 excl"
    with pytest.raises(ValueError, match=message):
        Recipe(label_smoothing=value)


@pytest.mark.parametrize("method", ["finetune", "sisa"])
def test_methods_that_train_by_the_recipe_honour_it(digits, method):
    """From the same trained model."""
    plain_job = job(method=method)
    trained = None
    states = []
    for smoothing in (0.0, 0.2):
        described = job(method=method, label_smoothing=smoothing)
        task = task_of_job(digits, described)
        if trained is None:
            plain_task = task_of_job(digits, plain_job)
            trained = plain_task.trainer.train(plain_task, digits.base_ids, 0)
        component = registry.create("methods", described.method)
        request = deletions(digits.base_ids[::9])
        states.append(served_steps(component, task, trained, request)[0][0])
    assert any(not np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_sisa_stays_exact(digits):
    options = {"trainer": {"shards": 2, "slices": 2}, "label_smoothing": 0.2}
    request = deletions(digits.base_ids[5:9])
    state, _ = final(digits, request, **options)
    oracle = scratch(digits, request, **options)
    assert all(np.array_equal(state[name], oracle[name]) for name in oracle)


def test_checkpoints_of_another_smoothing_are_refused(digits):
    options = {"trainer": {"shards": 1, "slices": 2}}
    trained, _ = final(digits, deletions(), **options)
    slice_ids = np.asarray(trained["shard000/slice01/ids"])
    with pytest.raises(ValueError, match="checkpoint shard000/slice00 has key"):
        final(digits, deletions(slice_ids[:1]), trained=trained, **options, label_smoothing=0.2)


def test_deltagrad_refuses_it_at_the_plan():
    def change(config, experiment):
        config["recipes"]["quick"] |= {"momentum": 0, "label_smoothing": 0.2}
        experiment |= {"model": "logistic", "method": "deltagrad"}

    with pytest.raises(StudyError) as error:
        load(change)
    message = str(error.value)
    assert "label_smoothing: 0.2 cannot be replayed; allowed: 0" in message
    assert "\n" not in message.strip()


def test_students_learn_smoothed_labels(digits):
    """A student from scratch is what the standard trainer gives, smoothing included."""
    options = {"epochs": 2, "batch_size": 32, "alpha": 0.0, "weights": "none", "clip": None}
    described = job(method="influence_distillation", options=options, label_smoothing=0.2)
    task = task_of_job(digits, described)
    trained = task.trainer.train(task, digits.base_ids, 0)
    method = registry.create("methods", described.method)
    state = served_steps(method, task, trained, deletions(digits.base_ids[::9]))[0][0]
    retain_ids = np.setdiff1d(digits.base_ids, digits.base_ids[::9])
    recipe = dataclasses.replace(task.recipe, epochs=2, lr=0.05)
    for smoothing in (0.2, 0.0):
        model = task.new_model(seeding.derive(0, "initial weights"))
        smoothed = dataclasses.replace(recipe, label_smoothing=smoothing)
        fit(task, model, retain_ids, smoothed, seeding.derive(0, "training"))
        tensors = state_of(model).items()
        is_close = [np.allclose(t, np.asarray(state[name]), atol=1e-5) for name, t in tensors]
        assert all(is_close) is (smoothing == 0.2)


def test_the_loss_of_students_smooths_retained_labels_alone():
    torch.manual_seed(0)
    logits = torch.randn(10, 5, dtype=torch.float64)
    labels = torch.randint(0, 5, (10,))
    weights = torch.rand(4, dtype=torch.float64)
    distance = Distance("kl", 2.0)
    targets = distance.target(torch.randn(6, 5)).double()
    push = Push(float("inf"))
    loss = Distillation(0.3, 0.4, distance, push, label_smoothing=0.2)
    smoothed = functional.cross_entropy(logits[:6], labels[:6], label_smoothing=0.2)
    pushed = functional.cross_entropy(logits[6:], labels[6:], reduction="none")
    expected = (
        0.7 * smoothed + 0.3 * distance(logits[:6], targets) - 0.4 * (weights * pushed).mean()
    )
    torch.testing.assert_close(loss(logits, labels, targets, weights), expected)


@pytest.mark.parametrize("kind", ["fisher", "hessian"])
def test_influences_are_on_the_loss_that_the_teacher_was_trained_on(digits, kind):
    task = new_task(digits, model="logistic", label_smoothing=0.3, epochs=5)
    state = task.trainer.train(task, digits.base_ids, 0)
    deleted_ids = digits.base_ids[::9]
    retain_ids = np.setdiff1d(digits.base_ids, deleted_ids)
    logits = task.trainer.predict(task, state, task.data.train_images)
    teacher = InfluencedModel(task, state, logits)
    chosen = ForgetWeights(kind, None, 0.1, "all", 200, 64)
    weights = chosen.of(teacher, deleted_ids, retain_ids, 0)
    network = task.bare_model(state).eval()
    points, references = (
        LabelledPoints(task.data.images(ids), task.data.labels(ids))
        for ids in (deleted_ids, retain_ids)
    )

    def influences(smoothing):
        def loss(outputs, labels):
            return functional.cross_entropy(outputs, labels, label_smoothing=smoothing)

        if kind == "fisher":
            return curvature.fisher(network, points, references, 0.1, loss)
        return curvature.GaussNewton(network, references, 0.1, loss, 0).influences(points)

    expected, unsmoothed = (
        weights_of(influences(smoothing), None, deleted_ids)[0] for smoothing in (0.3, 0.0)
    )
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-3)
    assert not np.allclose(weights.numpy(), unsmoothed, rtol=0.05)
