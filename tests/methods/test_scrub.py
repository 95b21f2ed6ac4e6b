"""What SCRUB does: its steps in closed form, its schedule, its rewind."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, with_pixels
from unlearn.algorithms.losses import Distance
from unlearn.algorithms.scrubbing import (
    Scrubbing,
    nearest_epoch,
    scheduled_rate,
    weighted_error,
)
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.state import state_of

PLAIN = {"batch_size": 200, "momentum": 0.0, "weight_decay": 0.0}
"""One minibatch of all points, and steps along the gradient alone."""


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    models = ("mlp", "cnn1", "air")
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in models}


def plain_task(digits, model="mlp", method="scrub", **recipe):
    size = {"width": 2, "whiten": True} if model == "air" else {}
    return new_task(digits, job(model, size=size, method=method, **PLAIN | recipe))


def plain_state(digits, trained, step=None, recipe=None, **options):
    """The state after SCRUB in one minibatch a pass, without momentum."""
    method = instance("scrub", **{"forget_batch_size": 200} | options)
    step = step or ninth_step(digits)
    task = plain_task(digits, **recipe or {})
    return served(method, task, trained["mlp"], step), task


def serve(digits, trained, name="scrub", step=None, **options):
    return Subject(instance(name, **options), digits, name).serve(trained["mlp"], step=step)


def changes(state, other):
    return {name: np.asarray(state[name]) - np.asarray(other[name]) for name in other}


def class_ids(digits, label=3):
    return digits.base_ids[digits.train_labels[digits.base_ids] == label]


# -- steps


def divergence(model, teacher, images, temperature):
    """T^2 KL(teacher || student), the mean over points, written out."""
    teacher_logs = torch.log_softmax(teacher(images).detach() / temperature, 1)
    student_logs = torch.log_softmax(model(images) / temperature, 1)
    return temperature**2 * (teacher_logs.exp() * (teacher_logs - student_logs)).sum(1).mean()


def descend(model, loss, rate):
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.sub_(rate * gradient)


def test_two_epochs_are_the_analytic_steps(digits, trained):
    """Up the distance on D_f; then down gamma CE + alpha distance on D_r; at temperature T."""
    settings = {"gamma": 0.7, "alpha": 0.4, "temperature": 2.0, "lr": 0.2}
    state, task = plain_state(digits, trained, epochs=2, max_epochs=2, **settings)
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    model = task.bare_model(trained["mlp"])
    teacher = task.bare_model(trained["mlp"])
    forget_images, images = task.data.images(ids), task.data.images(retained)
    for _ in range(2):
        descend(model, -divergence(model, teacher, forget_images, 2.0), 0.2)
        loss = 0.7 * torch.nn.functional.cross_entropy(model(images), task.data.labels(retained))
        descend(model, loss + 0.4 * divergence(model, teacher, images, 2.0), 0.2)
    for name, expected in state_of(model).items():
        assert np.asarray(state[name]) == pytest.approx(expected.numpy(), rel=1e-5, abs=2e-6)


@pytest.mark.parametrize("model", ["mlp", "cnn1", "air"])
def test_the_first_ascent_is_inert_and_the_second_is_not(model, digits, trained):
    """Student and teacher are equal at first: the gradient of their distance is 0."""
    task = plain_task(digits, model)
    ids = ninth_ids(digits)
    scrubbing = Scrubbing(instance("scrub", lr=1.0), task, trained[model], 0)
    scrubbing.max_pass(ids, 0)
    first = changes(state_of(scrubbing.student), trained[model])
    assert np.sqrt(sum((change.astype(float) ** 2).sum() for change in first.values())) < 1e-6
    scrubbing.min_pass(np.setdiff1d(digits.base_ids, ids), 0)
    before = state_of(scrubbing.student)
    scrubbing.max_pass(ids, 1)
    second = changes(state_of(scrubbing.student), before)
    assert np.sqrt(sum((change.astype(float) ** 2).sum() for change in second.values())) > 1e-4


def test_one_ascent_is_distillation(digits, trained):
    """Without decay, which moves weights at every step."""
    state, _ = plain_state(digits, trained, epochs=2, max_epochs=1, lr=0.1)
    other, _ = plain_state(digits, trained, epochs=2, max_epochs=0, lr=0.1)
    for change in changes(state, other).values():
        assert np.abs(change).max() < 1e-6
    third, _ = plain_state(digits, trained, epochs=2, max_epochs=2, lr=0.1)
    assert max(np.abs(change).max() for change in changes(third, other).values()) > 1e-4


def test_an_ascent_raises_the_distance_on_the_forget_set(digits, trained):
    task = plain_task(digits)
    ids = ninth_ids(digits)
    scrubbing = Scrubbing(instance("scrub", lr=0.05), task, trained["mlp"], 0)
    distance = Distance("kl", 4.0)

    def distance_on_forget_set():
        with torch.no_grad():
            target = distance.target(scrubbing.teacher(task.data.images(ids)))
            return float(distance(scrubbing.student(task.data.images(ids)), target))

    scrubbing.min_pass(np.setdiff1d(digits.base_ids, ids), 0)
    values = [distance_on_forget_set()]
    for epoch in (1, 2):
        scrubbing.max_pass(ids, epoch)
        values.append(distance_on_forget_set())
    assert 0 < values[0] < values[1] < values[2]
    assert checksum(state_of(scrubbing.teacher)) == checksum(trained["mlp"])


def test_batch_normalisation_is_frozen_in_ascents_alone(digits, trained):
    scrubbing = Scrubbing(instance("scrub"), plain_task(digits, "air"), trained["air"], 0)
    ids = ninth_ids(digits)
    statistics = [name for name in trained["air"] if "running" in name]
    scrubbing.max_pass(ids, 0)
    first = changes(state_of(scrubbing.student), trained["air"])
    assert statistics and not any(first[name].any() for name in statistics)
    scrubbing.min_pass(np.setdiff1d(digits.base_ids, ids), 0)
    second = changes(state_of(scrubbing.student), trained["air"])
    assert all(second[name].any() for name in statistics)


# -- schedule and cost


def test_the_published_schedule_falls_after_epochs_3_5_and_9():
    rates = [scheduled_rate("steps", 1.0, epoch) for epoch in range(10)]
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001])
    assert [scheduled_rate("constant", 0.3, epoch) for epoch in range(10)] == [0.3] * 10


def test_the_schedule_scales_the_steps_of_an_epoch(digits, trained):
    settings = {"max_epochs": 0, "lr": 0.5}
    third, _ = plain_state(digits, trained, epochs=3, **settings)
    constant, _ = plain_state(digits, trained, epochs=4, **settings)
    steps, _ = plain_state(digits, trained, epochs=4, schedule="steps", **settings)
    expected = changes(constant, third)
    for name, change in changes(steps, third).items():
        assert change == pytest.approx(0.1 * expected[name], abs=1e-6)


@pytest.mark.parametrize("name", ["scrub", "scrub_rewind"])
def test_the_teacher_goes_forward_over_the_points_of_the_student(name, digits, trained):
    deleted = len(ninth_ids(digits))
    retained = len(digits.base_ids) - deleted
    _, task = serve(digits, trained, name, epochs=5, max_epochs=3)
    assert task.meter.gradient_evaluations == 5 * retained + 3 * deleted
    classes = np.unique(digits.train_labels[ninth_ids(digits)])
    rewound = 5 * deleted + np.isin(digits.validation_labels, classes).sum()
    extra = rewound if name == "scrub_rewind" else 0
    assert task.meter.forward_evaluations == 5 * retained + 3 * deleted + extra
    _, task = serve(digits, trained, name, epochs=1, max_epochs=3, alpha=0.0)
    assert task.meter.gradient_evaluations == retained + deleted


# -- points


@pytest.mark.parametrize(("max_epochs", "blind"), [(0, True), (2, False)])
def test_ascents_read_the_images_of_the_forget_set(max_epochs, blind, digits, trained):
    """And no label of it."""
    ids = ninth_ids(digits)
    labels = digits.train_labels.copy()
    labels[ids] = 0
    subject = Subject(instance("scrub", max_epochs=max_epochs), digits, "scrub")
    state, _ = subject.serve(trained["mlp"])
    other, _ = subject.serve(trained["mlp"], with_pixels(digits, ids, 77))
    assert (checksum(state) == checksum(other)) is blind
    other, _ = subject.serve(trained["mlp"], replace(digits, train_labels=labels))
    assert checksum(state) == checksum(other)


def test_a_later_step_drives_away_its_deletions_alone(digits, trained):
    """Those of earlier steps have been forgotten, and the teacher is the earlier student."""
    ids = ninth_ids(digits)
    _, second = deletions(ids[:8], ids[8:]).steps(200, digits.base_ids)
    subject = Subject(instance("scrub"), digits, "scrub")
    state, task = subject.serve(trained["mlp"], step=second)
    other, _ = subject.serve(trained["mlp"], with_pixels(digits, ids[:8], 77), second)
    assert checksum(state) == checksum(other)
    assert task.meter.gradient_evaluations == 4 * (160 - len(ids)) + 2 * len(ids[8:])


def forget_loss(digits, state, ids):
    task = plain_task(digits)
    logits = task.trainer.predict(task, state, task.data.train_images[ids])
    return float(torch.nn.functional.cross_entropy(logits, task.data.labels(ids).cpu()))


def accuracy(digits, state, ids):
    task = plain_task(digits)
    logits = task.trainer.predict(task, state, task.data.train_images[ids])
    return float((logits.argmax(1).numpy() == digits.train_labels[ids]).mean())


def test_a_class_is_forgotten_and_the_others_are_kept(digits, trained):
    ids = class_ids(digits)
    settings = {"lr": 0.01, "epochs": 6, "max_epochs": 3, "forget_batch_size": 8}
    state, _ = serve(digits, trained, step=request(digits, ids), **settings)
    assert forget_loss(digits, state, ids) > 2 * forget_loss(digits, trained["mlp"], ids)
    assert accuracy(digits, state, ids) < accuracy(digits, trained["mlp"], ids)
    assert accuracy(digits, state, np.setdiff1d(digits.base_ids, ids)) > 0.7


def test_added_points_are_learnt(digits, trained):
    ids = digits.held_out_ids[:20]
    (step,) = Request([NO_IDS], [ids]).steps(200, digits.base_ids)
    for name in ("scrub", "scrub_rewind"):
        state, _ = serve(digits, trained, name, step=step, lr=0.01)
        assert forget_loss(digits, state, ids) < forget_loss(digits, trained["mlp"], ids)


# -- rewind


def test_the_epoch_of_the_nearest_error_is_chosen():
    assert nearest_epoch([0.1, 0.4, 0.3], 0.28) == 2
    assert nearest_epoch([0.1, 0.4, 0.3], 0.0) == 0
    assert nearest_epoch([0.1, 0.4, 0.4], 0.9) == 2


def test_the_reference_error_has_the_classes_of_the_forget_set():
    mistakes = np.array([True, False, True, True])
    labels = np.array([0, 0, 1, 2])
    assert weighted_error(mistakes, labels, np.array([3, 1, 0])) == pytest.approx(0.625)
    assert weighted_error(mistakes, labels, np.array([1, 0, 0])) == 0.5


@pytest.mark.parametrize("shift", [0, 1])
def test_the_validation_split_decides_how_far_to_rewind(shift, digits, trained):
    """As labelled, and with labels that make an error of every right answer."""
    ids = class_ids(digits)
    step = request(digits, ids)
    settings = {"lr": 0.03, "epochs": 5, "max_epochs": 3, "forget_batch_size": 8}
    states = [
        serve(digits, trained, step=step, **settings | {"epochs": epochs})[0]
        for epochs in range(1, 6)
    ]
    errors = [1 - accuracy(digits, state, ids) for state in states]
    labels = (digits.validation_labels + shift) % 10
    method = instance("scrub_rewind", **settings)
    subject = Subject(method, replace(digits, validation_labels=labels), "scrub_rewind")
    state, task = subject.serve(trained["mlp"], step=step)
    pixels = torch.from_numpy(digits.validation_images[labels == 3])
    answers = task.trainer.predict(task, states[-1], pixels).argmax(1).numpy()
    chosen_epoch = nearest_epoch(errors, float((answers != 3).mean()))
    assert checksum(state) == checksum(states[chosen_epoch])


def test_points_without_a_validation_split_are_refused(digits, trained):
    empty = {"validation_images": digits.validation_images[:0]}
    empty |= {"validation_labels": digits.validation_labels[:0]}
    method = instance("scrub_rewind")
    task = new_task(replace(digits, **empty), job(method="scrub_rewind"))
    with pytest.raises(ValueError, match="validation: no point is of the classes of the forget"):
        served(method, task, trained["mlp"], ninth_step(digits))
    assert task.meter.gradient_evaluations == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_epochs": -1}, "max_epochs: -1 is not allowed; allowed: integer between 0"),
        ({"temperature": 0}, "temperature: 0 is not allowed"),
        ({"schedule": "cosine"}, "schedule: 'cosine' is not allowed; allowed: string constant"),
    ],
)
def test_parameters_outside_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        instance("scrub", **options)
