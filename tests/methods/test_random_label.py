"""Random label: what is trained on, in which order, in which mode."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.conformance import (
    Subject,
    checksum,
    instance,
    ninth_ids,
    ninth_step,
    request,
)
from tests.support.jobs import task
from tests.support.steps import descent, gradient
from tests.support.streams import deletions, served, with_pixels
from tests.support.wrong_labels import WrongLabels
from unlearn.algorithms.relabelling import Relabelling, random_labels
from unlearn.core import seeding
from unlearn.requests.request import NO_IDS, Request

ORDERS = pytest.mark.parametrize("order", ["mixed", "sequential"])

MODELS = ("cnn1", "resnet9")


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in MODELS}


def serve(digits, trained, model="cnn1", step=None, **options):
    """The state of the method after the deletion of a ninth, and the task."""
    subject = Subject(instance("random_label", **options), digits, "random_label", model)
    return subject.serve(trained[model], step=step)


def labels_of_epoch(digits, ids, epoch=0, exclude_true=True):
    """The labels that seed 0 draws for deleted points."""
    keys = seeding.point_keys(seeding.derive(0, "random labels", epoch), ids)
    return random_labels(digits.train_labels[ids], keys, 10, exclude_true)


@pytest.mark.parametrize("exclude_true", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_mixed_is_finetuning_on_all_points_with_random_labels(model, exclude_true, digits, trained):
    """To the bit: so it is fine-tuning on all points where the labels that are drawn are true."""
    ids = ninth_ids(digits)
    labels = digits.train_labels.copy()
    labels[ids] = labels_of_epoch(digits, ids, exclude_true=exclude_true)
    relabelled = replace(digits, train_labels=labels)
    subject = Subject(instance("finetune"), relabelled, model=model)
    expected, _ = subject.serve(trained[model], step=request(relabelled, NO_IDS))
    state, _ = serve(digits, trained, model, order="mixed", redraw=False, exclude_true=exclude_true)
    assert checksum(state) == checksum(expected)


def test_sequential_steps_on_deleted_points_and_then_on_the_retain_set(digits, trained):
    """Two steps by autograd, without momentum: w' = w - lr g_f, w'' = w' - lr g_r(w')."""
    ids = ninth_ids(digits)
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    described = task(digits, model="cnn1", batch_size=200, momentum=0.0, weight_decay=0.0)
    method = instance("random_label", epochs=1, lr=0.2, order="sequential")
    state = served(method, described, trained["cnn1"], request(digits, ids))
    first = gradient(described, trained["cnn1"], ids, labels_of_epoch(digits, ids))
    middle = descent(trained["cnn1"], first, 0.2)
    expected = descent(middle, gradient(described, middle, retain_ids), 0.2)
    for name in expected:
        assert np.asarray(state[name]) == pytest.approx(expected[name], rel=1e-5, abs=1e-6)


@ORDERS
def test_the_labels_of_the_data_stay_as_they_are(order, digits, trained):
    before = digits.train_labels.copy()
    _, used = serve(digits, trained, order=order)
    assert np.array_equal(used.data.train_labels.cpu().numpy(), before)
    assert np.array_equal(digits.train_labels, before)


@ORDERS
@pytest.mark.parametrize("redraw", [True, False])
def test_labels_are_drawn_anew_in_every_epoch_or_once(redraw, order, digits):
    described = task(digits, model="cnn1")
    relabelling = Relabelling(order, redraw, exclude_true=True, batch_size=200)
    step = ninth_step(digits)
    epochs = []
    for epoch in range(2):
        batches = list(relabelling.minibatches(described, step, 0, epoch))
        counts = [np.bincount(batch.labels.cpu(), minlength=10) for batch in batches]
        epochs.append(np.sum(counts, axis=0))
        drawn = labels_of_epoch(digits, step.deleted_ids, epoch if redraw else 0)
        labels = np.append(digits.train_labels[step.retain_ids], drawn)
        assert np.array_equal(epochs[-1], np.bincount(labels, minlength=10))
    assert np.array_equal(*epochs) is not redraw


@ORDERS
def test_places_count_the_minibatches_of_an_epoch(order, digits):
    described = task(digits, model="cnn1")
    relabelling = Relabelling(order, redraw=True, exclude_true=True, batch_size=16)
    step = ninth_step(digits)
    batches = list(relabelling.minibatches(described, step, 0, 0))
    expected = 13 + (2 if order == "sequential" else 0)  # of 200 and of 18 points
    assert relabelling.places(described, step) == expected
    assert [batch.place for batch in batches] == list(range(expected))
    assert [batch.deleted_only for batch in batches] == [
        order == "sequential" and place < 2 for place in range(expected)
    ]


@ORDERS
def test_reads_both_sets(order, digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(digits, trained, order=order)
    for read_ids in (ids, np.setdiff1d(digits.base_ids, ids)):
        other, _ = serve(with_pixels(digits, read_ids, 77), trained, order=order)
        assert checksum(state) != checksum(other)


@ORDERS
def test_a_later_step_relabels_its_deleted_points_alone(order, digits, trained):
    first_ids = digits.base_ids[:20]
    steps = deletions(first_ids, digits.base_ids[20:40]).steps(200, digits.base_ids)
    last_step = list(steps)[1]
    state, _ = serve(digits, trained, step=last_step, order=order)
    other, _ = serve(with_pixels(digits, first_ids, 77), trained, step=last_step, order=order)
    assert checksum(state) == checksum(other)


@ORDERS
def test_additions_are_learnt_by_finetuning(order, digits, trained):
    addition = Request([NO_IDS], [digits.held_out_ids[:9]])
    step = next(iter(addition.steps(200, digits.base_ids)))
    state, used = serve(digits, trained, step=step, order=order)
    expected, _ = Subject(instance("finetune"), digits, model="cnn1").serve(
        trained["cnn1"], step=step
    )
    assert checksum(state) == checksum(expected)
    assert used.meter.gradient_evaluations == 2 * 169


@ORDERS
def test_raises_the_loss_of_wrong_labels(order):
    wrong = WrongLabels(instance("random_label"))
    state = wrong.served(instance("random_label", order=order, lr=0.05))
    assert wrong.loss(state) > wrong.loss(wrong.trained) + 0.5
    assert wrong.retain_accuracy(state) > 0.2


def test_passes_over_deleted_points_alone_move_no_statistics(digits, trained):
    """The minibatches that batch normalisation counts are those of the retain set."""
    step = ninth_step(digits)
    state, used = serve(digits, trained, "resnet9", order="sequential", batch_size=8)
    names = [name for name in state if "tracked" in name]
    passes = 2 * -(-len(step.deleted_ids) // 8)
    assert names and passes == 6
    for name in names:
        steps = state[name] - trained["resnet9"][name]
        assert steps == used.meter.optimizer_steps - passes


@pytest.mark.parametrize("name", ["random_label", "salun", "salun_soft"])
def test_label_smoothing_and_nesterov_are_those_of_the_recipe(name, digits, trained):
    """Each of them changes the result."""
    step = ninth_step(digits)
    states = []
    for recipe in ({}, {"label_smoothing": 0.1}, {"nesterov": True}):
        described = task(digits, model="cnn1", **recipe)
        states.append(served(instance(name), described, trained["cnn1"], step))
    assert len({checksum(state) for state in states}) == 3
