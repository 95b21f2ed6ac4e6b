"""AMUN: the search for examples, one step with them, what it reads, what it serves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, request
from tests.support.plain_steps import plain_task
from tests.support.steps import descent
from tests.support.streams import served, with_pixels
from unlearn.algorithms.adversarial_examples import (
    Examples,
    NearestExampleSearch,
    ascent,
    model_images,
    projected,
    unit_pixels,
)
from unlearn.core.setting import Setting
from unlearn.requests.held_out import HeldOut
from unlearn.requests.request import NO_IDS
from unlearn.training.minibatches import Batch

SEARCH = NearestExampleSearch(radius=0.32, doublings=7, steps=50)

POINTS = pytest.mark.parametrize("points", ["retained", "all", "deleted"])


@pytest.fixture(scope="module")
def trained(digits):
    """A cnn1 of the standard trainer."""
    return Subject(instance("finetune"), digits, model="cnn1").trained()


def searched(task, trained, ids, search=SEARCH):
    """The examples, and the network that they are searched by."""
    model = task.bare_model(trained).eval()
    return search.examples(task, model, ids), model


def flat_pixels(task, images):
    return unit_pixels(images, task.data).flatten(1)


# -- the examples


def test_the_network_takes_every_example_for_its_label_which_is_not_the_true_one(digits, trained):
    task = plain_task(digits)
    ids = ninth_ids(digits)
    examples, model = searched(task, trained, ids)
    assert np.array_equal(examples.ids, ids)
    assert torch.equal(model(examples.images).argmax(1), examples.labels)
    assert (examples.labels != task.data.labels(ids)).all()
    pixels = (examples.images + task.data.shift) / (task.data.levels * task.data.scale)
    assert pixels.min() > -1e-5 and pixels.max() < 1 + 1e-5


def test_examples_are_nearer_than_random_directions_that_flip(digits, trained):
    """At the distance of its example no point flips by a random direction, or nearly none."""
    task = plain_task(digits)
    ids = ninth_ids(digits)
    examples, model = searched(task, trained, ids)
    pixels = unit_pixels(task.data.images(ids), task.data)
    distances = (flat_pixels(task, examples.images) - pixels.flatten(1)).norm(dim=1)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(pixels.shape, generator=generator)
    noise = noise / noise.flatten(1).norm(dim=1)[:, None, None, None]
    flips = torch.full((len(ids),), torch.inf)
    for factor in (4.0, 2.0, 1.0):
        moved = (pixels + factor * distances[:, None, None, None] * noise).clamp(0, 1)
        predicted = model(model_images(moved, task.data)).argmax(1)
        flips[predicted != task.data.labels(ids)] = factor
    assert (flips > 1).double().mean() > 0.8
    assert 0.01 < distances.mean() < 5


def test_the_example_is_the_first_image_beyond_the_boundary(digits, trained):
    """A step back towards the point, twice as long as that of the ball, keeps the class."""
    task = plain_task(digits)
    ids = ninth_ids(digits)[:4]
    examples, model = searched(task, trained, ids, NearestExampleSearch(8.0, 0, 50))
    coarse = flat_pixels(task, examples.images) - flat_pixels(task, task.data.images(ids))
    examples, _ = searched(task, trained, ids)
    fine = flat_pixels(task, examples.images) - flat_pixels(task, task.data.images(ids))
    assert (fine.norm(dim=1) <= coarse.norm(dim=1) + 1e-4).all()
    back = flat_pixels(task, examples.images) - 0.5 * fine
    images = model_images(back.view(examples.images.shape), task.data)
    assert torch.equal(model(images).argmax(1), task.data.labels(ids))


def test_a_step_goes_along_the_gradient_of_the_cross_entropy(digits, trained):
    task = plain_task(digits)
    ids = ninth_ids(digits)
    model = task.bare_model(trained).eval()
    images, labels = task.data.images(ids), task.data.labels(ids)
    directions, predicted = ascent(model, images, labels)
    variables = images.clone().requires_grad_(True)
    logits = model(variables)
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    (gradients,) = torch.autograd.grad(loss, variables)
    cosines = torch.cosine_similarity(directions.flatten(1), gradients.flatten(1))
    assert cosines.min() > 0.999
    assert torch.equal(predicted, logits.argmax(1))


def test_the_direction_does_not_vanish_where_the_network_is_sure():
    """The gradient of the cross-entropy would: exp(-200) is none in float32."""
    images = torch.zeros(1, 2, 1, 1)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        model[1].bias.copy_(torch.tensor([200.0, 0.0]))
    directions, _ = ascent(model, images, torch.tensor([0]))
    assert directions.flatten().tolist() == [-1.0, 1.0]


def test_a_search_moves_by_tenths_of_the_radius_within_the_ball(digits, trained):
    """One step of one small ball, written down; nothing flips, so nothing is found."""
    task = plain_task(digits)
    ids = ninth_ids(digits)[:3]
    model = task.bare_model(trained).eval()
    centres = unit_pixels(task.data.images(ids), task.data)
    labels = task.data.labels(ids)
    moved, predicted = NearestExampleSearch(1e-2, 0, 1)._search_ball(
        task, model, centres, labels, 1e-2
    )
    directions, _ = ascent(model, task.data.images(ids), labels)
    unit = directions / directions.flatten(1).norm(dim=1)[:, None, None, None]
    assert torch.allclose(moved, (centres + 1e-3 * unit).clamp(0, 1), atol=1e-6)
    assert torch.equal(predicted, labels)
    far, _ = NearestExampleSearch(1e-2, 0, 50)._search_ball(task, model, centres, labels, 1e-2)
    lengths = (far - centres).flatten(1).norm(dim=1)
    assert (lengths < 1e-2 + 1e-6).all() and (lengths > 5e-3).any()


def test_pixels_are_projected_to_ball_and_range():
    centre = torch.full((1, 1, 1, 2), 0.5)
    pixels = torch.tensor([3.5, 4.5]).view(1, 1, 1, 2)
    assert projected(pixels, centre, 0.5).flatten().tolist() == pytest.approx([0.8, 0.9])
    assert projected(pixels, centre, 100.0).flatten().tolist() == [1.0, 1.0]
    inside = torch.tensor([0.6, 0.5]).view(1, 1, 1, 2)
    assert torch.equal(projected(inside, centre, 0.5), inside)


def test_a_point_that_the_model_gets_wrong_is_its_own_example(digits, trained):
    task = plain_task(replace(digits, train_labels=(digits.train_labels + 1) % 10))
    ids = ninth_ids(digits)[:2]
    examples, _ = searched(task, trained, ids)
    assert torch.allclose(examples.images, task.data.images(ids), atol=1e-5)
    assert task.meter.gradient_evaluations == 2


def test_points_without_an_example_are_left_out_and_counted(digits, trained):
    task = plain_task(digits)
    ids = ninth_ids(digits)
    step = request(digits, ids)
    served(instance("amun", radius=1e-4, doublings=0, steps=2), task, trained, step)
    assert task.meter.counts["unflipped_fraction"] > 0.8
    task = plain_task(digits)
    served(instance("amun"), task, trained, step)
    assert task.meter.counts["unflipped_fraction"] == 0


def test_every_gradient_and_ball_is_charged(digits, trained):
    """Three balls of two steps, in which nothing flips: 3 x 2 gradients and 3 checks a point."""
    task = plain_task(digits)
    ids = ninth_ids(digits)
    correct, _ = searched(task, trained, ids, NearestExampleSearch(1e-6, 0, 1))
    ids = np.setdiff1d(ids, correct.ids)
    before = task.meter.gradient_evaluations, task.meter.forward_evaluations
    searched(task, trained, ids, NearestExampleSearch(1e-6, 2, 2))
    assert task.meter.gradient_evaluations - before[0] == 6 * len(ids)
    assert task.meter.forward_evaluations - before[1] == 3 * len(ids)


# -- training


@POINTS
def test_the_first_step_is_the_analytic_step(points, digits, trained):
    """One minibatch of the points and all examples, with their labels; by autograd."""
    task = plain_task(digits)
    ids = ninth_ids(digits)
    step = request(digits, ids)
    state = served(instance("amun", epochs=1, lr=0.2, points=points), task, trained, step)
    examples, _ = searched(task, trained, ids)
    point_ids = {"retained": step.retain_ids, "all": digits.base_ids, "deleted": ids}[points]
    model = task.bare_model(trained)
    images = torch.cat([task.data.images(point_ids), examples.images])
    labels = torch.cat([task.data.labels(point_ids), examples.labels])
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()))
    changes = {name: g.numpy() for name, g in zip(named, gradients, strict=True)}
    for name, expected in descent(trained, changes, 0.2).items():
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def test_minibatches_hold_every_example_once_in_a_seeded_order():
    rows = torch.arange(7.0)
    examples = Examples(rows.view(7, 1, 1, 1), torch.arange(7), np.arange(7))

    def mixed(places, indices, seed=0):
        nothing = torch.empty(0, 1, 1, 1), torch.empty(0, dtype=torch.int64)
        batches = (Batch(NO_IDS, *nothing, index) for index in indices)
        return list(examples.mixed(batches, places, seed))

    parts = mixed(3, (0, 1, 2))
    assert [len(labels) for _, labels in parts] == [2, 2, 3]
    order = torch.cat([labels for _, labels in parts])
    assert sorted(order.tolist()) == list(range(7))
    assert all(torch.equal(images.flatten().long(), labels) for images, labels in parts)
    gap = mixed(3, (0, 2))
    assert torch.equal(torch.cat([labels for _, labels in gap]), order)
    assert not torch.equal(torch.cat([labels for _, labels in mixed(3, (0, 1, 2), 1)]), order)


def test_without_deleted_points_it_is_fine_tuning(digits, trained):
    step = request(digits, NO_IDS)
    state = Subject(instance("amun", epochs=2), digits, model="cnn1").serve(trained, step=step)[0]
    other = Subject(instance("finetune", epochs=2), digits, model="cnn1").serve(trained, step=step)[
        0
    ]
    assert checksum(state) == checksum(other)


def test_wrongly_labelled_points_lose_their_labels_and_others_keep_theirs(digits, trained):
    """A deleted class is forgotten where its points are no longer trained on, and not before."""
    class_ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    step = request(digits, class_ids)
    accuracies = {}
    for points in ("retained", "all"):
        method = instance("amun", lr=0.02, epochs=10, points=points)
        state, task = Subject(method, digits, model="cnn1").serve(trained, step=step)
        for name, ids in (("forget", class_ids), ("retain", step.retain_ids)):
            logits = task.trainer.predict(task, state, task.data.train_images[ids])
            accuracies[points, name] = (logits.argmax(1) == task.data.labels(ids)).double().mean()
    assert accuracies["retained", "forget"] < 0.5
    assert accuracies["retained", "retain"] > 0.9
    assert accuracies["all", "forget"] > 0.8


@POINTS
def test_deleted_images_are_read_and_retained_ones_where_it_trains_on_them(points, digits, trained):
    ids = ninth_ids(digits)
    subject = Subject(instance("amun", points=points, epochs=1), digits, model="cnn1")
    state, _ = subject.serve(trained)
    aware, _ = subject.serve(trained, with_pixels(digits, ids, 77))
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    blind, _ = subject.serve(trained, with_pixels(digits, retain_ids, 77))
    assert checksum(state) != checksum(aware)
    assert (checksum(state) == checksum(blind)) is (points == "deleted")


def test_statistics_of_batch_normalisation_stay_without_the_retain_set(digits):
    original = Subject(instance("finetune"), digits, model="resnet9").trained()
    for points, moves in (("retained", True), ("deleted", False)):
        method = instance("amun", points=points, epochs=1, doublings=0, steps=2)
        state, _ = Subject(method, digits, model="resnet9").serve(original)
        for name in state:
            if "running" in name:
                assert np.array_equal(state[name], original[name]) is not moves, name


def test_the_deleted_points_alone_teach_no_added_point():
    setting = Setting(request=HeldOut(rate=0.1))
    assert instance("amun").supports(setting) is None
    assert instance("amun", points="deleted").supports(setting) == (
        "points: deleted learns no added point; allowed: points: retained or all"
    )


def test_nothing_changes_where_nothing_is_deleted_and_the_rest_is_not_read(digits, trained):
    step = request(digits, NO_IDS)
    subject = Subject(instance("amun", points="deleted"), digits, model="cnn1")
    state, task = subject.serve(trained, step=step)
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0
