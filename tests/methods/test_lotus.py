"""LoTUS: a student follows random draws from the original, softer ones where it must forget."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, arrays, checksum, ninth_ids, request
from tests.support.jobs import build, job
from tests.support.streams import deletions, served, with_pixels
from unlearn.algorithms.accuracies import charged_accuracy, unseen_accuracy
from unlearn.algorithms.gumbel import GumbelTargets, soft_cross_entropy
from unlearn.conformance.subject import architecture
from unlearn.core import seeding
from unlearn.jobs.setup import task_of
from unlearn.methods.lotus import Lotus
from unlearn.trainers.standard import StandardTrainer
from unlearn.training.data import normalised
from unlearn.training.recipe import Recipe


def task_for(data, model="mlp", **recipe):
    """A task of a method that reads the validation split."""
    return task_of(
        data,
        architecture(model),
        Recipe(**job(**recipe).recipe),
        StandardTrainer(),
        device="cpu",
        precision="float32",
        reads_validation=True,
    )


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(Lotus(), digits).trained()


def class_ids(digits, label):
    return digits.base_ids[digits.train_labels[digits.base_ids] == label]


def test_the_temperature_is_that_of_the_formula():
    assert Lotus().temperature(0.9, 0.9) == 1
    assert Lotus().temperature(0.9, 0.8) == pytest.approx(math.exp(0.8))
    assert Lotus().temperature(0.904, 0.9) == pytest.approx(math.exp(0.032))  # not rounded


def test_hard_targets_are_drawn_by_the_softmax():
    logits = torch.tensor([[0.0, 1.0, 2.0]]).expand(20_000, 3)
    targets = GumbelTargets(0).one_hot(logits)
    assert torch.equal(targets.sum(1), torch.ones(20_000))
    assert torch.equal(targets.max(1).values, torch.ones(20_000))
    assert torch.allclose(targets.mean(0), functional.softmax(logits[0], 0), atol=0.012)


def test_soft_targets_have_the_classes_of_hard_ones_and_flatten_with_the_temperature():
    logits = torch.tensor([[0.0, 1.0, 2.0]]).expand(50, 3)
    hard = GumbelTargets(7).one_hot(logits)
    soft = GumbelTargets(7).soft(logits, 0.5)
    flat = GumbelTargets(7).soft(logits, 5.0)
    assert torch.equal(soft.argmax(1), hard.argmax(1))
    assert torch.allclose(
        soft.log() - soft.log()[:, :1], 10 * (flat.log() - flat.log()[:, :1]), atol=1e-4
    )
    assert not torch.equal(soft, GumbelTargets(8).soft(logits, 0.5))


def test_the_loss_is_the_cross_entropy_to_the_targets():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    targets = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    first = -(0.5 * math.log(0.75) + 0.5 * math.log(0.25))
    assert float(soft_cross_entropy(logits, targets)) == pytest.approx((first + math.log(2)) / 2)


@pytest.mark.parametrize("architecture_name", ["mlp", "resnet9"])
def test_steps_follow_the_draws_by_adam(architecture_name, digits):
    """Epochs of one minibatch; the temperature is that of the student in each."""
    trained = Subject(Lotus(), digits, model=architecture_name).trained()
    ids = ninth_ids(digits)
    step = request(digits, ids)
    labels = (digits.validation_labels + 5) % 10  # wrong, so that no epoch is left out
    data = replace(digits, validation_labels=labels)
    task = task_for(data, architecture_name, weight_decay=0.5)
    lr = 0.009 if architecture_name == "mlp" else 0.0002
    method = Lotus(epochs=2, lr=lr, share=1.0, batch_size=1000, alpha=3.0)
    state = served(method, task, trained, step)
    teacher, student = task.model(trained).eval(), task.model(trained)
    reference = unseen_accuracy(task, teacher, step)
    pixels = task.data.train_images[ids]
    labels = task.data.train_labels[ids]
    order = seeding.derive(0, "lotus")
    targets = GumbelTargets(seeding.derive(order, "targets"))
    optimizer = torch.optim.Adam(student.parameters(), lr=lr)
    gaps = []
    for epoch in range(2):
        gap = charged_accuracy(task, student, pixels, labels) - reference
        gaps.append(gap)
        assert gap > -0.01
        (batch,) = task.minibatches(digits.base_ids, order, epoch, batch_size=1000)
        logits = teacher(batch.images).detach()
        soft = targets.soft(logits, math.exp(3 * gap))
        hard = targets.one_hot(logits)
        is_deleted = np.isin(batch.ids, ids)
        target = torch.stack([soft[i] if is_deleted[i] else hard[i] for i in range(len(hard))])
        optimizer.zero_grad()
        soft_cross_entropy(student(batch.images), target).backward()
        optimizer.step()
    assert architecture_name != "mlp" or len(set(gaps)) > 1
    for name, parameter in student.named_parameters():
        expected = parameter.detach().numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def test_unseen_accuracy_is_that_of_the_validation_split_or_nothing(digits, trained):
    task = task_for(digits)
    model = task.model(trained).eval()
    step = request(digits, ninth_ids(digits))
    images = normalised(task.data.validation_images, task.data)
    expected = (model(images).argmax(1) == task.data.validation_labels).double().mean()
    assert unseen_accuracy(task, model, step) == pytest.approx(float(expected))
    assert 0.5 < float(expected) < 1
    assert unseen_accuracy(task, model, request(digits, class_ids(digits, 3))) == 0


def test_training_stops_where_the_student_knows_no_more_than_of_unseen_points(digits, trained):
    """Points with wrong labels are unknown from the start: nothing is done."""
    ids = ninth_ids(digits)
    labels = digits.train_labels.copy()
    labels[ids] = (labels[ids] + 1) % 10
    task = task_for(replace(digits, train_labels=labels))
    state = served(Lotus(), task, trained, request(digits, ids))
    assert checksum(arrays(state)) == checksum(trained)
    assert task.meter.optimizer_steps == 0


@pytest.mark.parametrize(("wrong", "runs"), [(3, True), (4, False)])
def test_a_hundredth_below_the_accuracy_on_unseen_points_is_still_trained(
    wrong, runs, digits, trained
):
    """Labels are predictions but for some: 49 or 48 of 50 are right, 197 or 196 of 200 unseen."""
    ids = digits.base_ids[:50]
    unseen = np.tile(digits.train_images[ids], (4, 1, 1, 1))
    task = task_for(digits)
    pixels = torch.from_numpy(digits.train_images)
    predicted = task.trainer.predict(task, trained, pixels).argmax(1).numpy()
    labels = predicted.copy()
    mislabelled = ids[: wrong - 2]
    labels[mislabelled] = (labels[mislabelled] + 1) % 10
    unseen_labels = np.tile(predicted[ids], 4)
    unseen_labels[:wrong] = (unseen_labels[:wrong] + 1) % 10
    data = replace(
        digits, train_labels=labels, validation_images=unseen, validation_labels=unseen_labels
    )
    task = task_for(data)
    served(Lotus(epochs=1), task, trained, request(data, ids))
    assert (task.meter.optimizer_steps > 0) is runs


def test_a_later_step_reads_its_deleted_points_alone(digits, trained):
    first_ids = digits.base_ids[:20]
    whole = deletions(first_ids, digits.base_ids[20:40])
    step = list(whole.steps(len(digits.train_labels), digits.base_ids))[1]
    method = Lotus(epochs=1, share=0.5)
    state = served(method, task_for(digits), trained, step)
    other_task = task_for(with_pixels(digits, first_ids, 77))
    other = served(method, other_task, trained, step)
    assert checksum(arrays(state)) == checksum(arrays(other)) != checksum(trained)


def test_the_share_is_a_random_one_of_the_seed(digits, trained):
    """Not the first points: the others matter."""
    step = request(digits, ninth_ids(digits))
    size = math.ceil(0.25 * len(step.retain_ids))
    method = Lotus(epochs=1, share=0.25)
    state = served(method, task_for(digits), trained, step)
    other_task = task_for(with_pixels(digits, step.retain_ids[size:], 77))
    other = served(method, other_task, trained, step)
    reseeded = served(method, task_for(digits), trained, step, seed=1)
    assert len({checksum(arrays(result)) for result in (state, other, reseeded)}) == 3


def test_costs_are_those_of_its_passes(digits, trained):
    ids = ninth_ids(digits)
    task = task_for(digits)
    served(Lotus(epochs=1, share=0.25), task, trained, request(digits, ids))
    retained = math.ceil(0.25 * (len(digits.base_ids) - len(ids)))
    trained_points = len(ids) + retained
    assert task.meter.gradient_evaluations == trained_points
    evaluated = len(ids) + len(digits.validation_labels)
    task.meter.settle()
    assert task.meter.forward_evaluations == trained_points + evaluated


def test_a_class_is_forgotten_and_others_are_kept(digits, trained):
    ids = class_ids(digits, 3)
    step = request(digits, ids)
    task = task_for(digits)
    method = Lotus(lr=0.003, epochs=10, share=1.0, batch_size=16)
    state = served(method, task, trained, step)

    def accuracy(model_state, points):
        logits = task.trainer.predict(task, model_state, task.data.train_images[points])
        return float((logits.argmax(1) == task.data.train_labels[points]).float().mean())

    assert accuracy(trained, ids) > 0.9
    assert accuracy(state, ids) < 0.5
    assert accuracy(state, step.retain_ids) > 0.9


def test_deletions_of_nothing_change_nothing(digits, trained):
    state = served(Lotus(), task_for(digits), trained, request(digits, digits.base_ids[:0]))
    assert checksum(arrays(state)) == checksum(trained)


def test_data_without_validation_points_are_refused_before_any_work(trained):
    data = build("digits", subset=200, held_out=0.2, validation=0)
    task = task_for(data)
    with pytest.raises(ValueError, match=r"no point; allowed: validation above 0"):
        served(Lotus(), task, trained, request(data, ninth_ids(data)))
    assert task.meter.forward_evaluations == task.meter.gradient_evaluations == 0
