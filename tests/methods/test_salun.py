"""SalUn with a mask, and with soft thresholding: which weights move, and by how much."""

import numpy as np
import pytest

from tests.support.conformance import (
    Subject,
    checksum,
    instance,
    ninth_ids,
    request,
)
from tests.support.jobs import task
from tests.support.steps import gradient
from tests.support.streams import deletions, served, with_pixels
from tests.support.wrong_labels import WrongLabels
from unlearn.algorithms.relabelling import random_labels
from unlearn.core import seeding
from unlearn.requests.request import NO_IDS

MODELS = ("mlp", "cnn1", "resnet9")

ORDERS = pytest.mark.parametrize("order", ["mixed", "sequential"])

BOTH = pytest.mark.parametrize("name", ["salun", "salun_soft"])


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in MODELS}


def serve(name, digits, trained, model="cnn1", step=None, **options):
    """The state of a method after the deletion of a ninth, and the task."""
    return Subject(instance(name, **options), digits, name, model).serve(trained[model], step=step)


def weights(task_, state):
    """The trainable weights of a state, one after another."""
    names = [name for name, p in task_.new_model(0).named_parameters() if p.requires_grad]
    return np.concatenate([np.asarray(state[name]).ravel() for name in names])


# -- masks


@ORDERS
@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("model", MODELS)
def test_only_the_most_salient_weights_move(model, share, order, digits, trained):
    """To the bit, after epochs with momentum and weight decay; and all of these move."""
    state, used = serve("salun", digits, trained, model, share=share, order=order, lr=0.1)
    assert used.recipe.momentum and used.recipe.weight_decay
    slopes = weights(used, gradient(used, trained[model], ninth_ids(digits)))
    before = weights(used, trained[model])
    is_moved = weights(used, state) != before
    count = round(share * len(before))
    boundary = np.sort(np.abs(slopes))[-count]
    assert not is_moved[np.abs(slopes) < boundary * (1 - 1e-3)].any()
    assert is_moved[np.abs(slopes) > boundary * (1 + 1e-3)].mean() > 0.99
    assert is_moved.sum() <= count


@ORDERS
@pytest.mark.parametrize(("name", "share"), [("salun", 1.0), ("salun_soft", 0.0)])
def test_all_weights_together_learn_random_labels(name, share, order, digits, trained):
    """To the bit, with labels drawn once and the true one among them."""
    options = {"order": order, "redraw": False, "exclude_true": False, "lr": 0.03, "batch_size": 16}
    state, _ = serve(name, digits, trained, share=share, **options)
    expected, _ = serve("random_label", digits, trained, **options)
    assert checksum(state) == checksum(expected)


def test_saliency_is_charged(digits, trained):
    ids = ninth_ids(digits)
    _, used = serve("salun", digits, trained, epochs=3)
    assert used.meter.gradient_evaluations == 3 * len(digits.base_ids) + len(ids)
    _, used = serve("salun_soft", digits, trained, epochs=3)
    assert used.meter.gradient_evaluations == 3 * len(digits.base_ids)


# -- both


@BOTH
def test_reads_both_sets(name, digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(name, digits, trained)
    for read_ids in (ids, np.setdiff1d(digits.base_ids, ids)):
        other, _ = serve(name, with_pixels(digits, read_ids, 77), trained)
        assert checksum(state) != checksum(other)


@BOTH
def test_a_later_step_learns_labels_of_its_deleted_points_alone(name, digits, trained):
    first_ids = digits.base_ids[:20]
    steps = deletions(first_ids, digits.base_ids[20:40]).steps(200, digits.base_ids)
    last_step = list(steps)[1]
    state, _ = serve(name, digits, trained, step=last_step)
    other, _ = serve(name, with_pixels(digits, first_ids, 77), trained, step=last_step)
    assert checksum(state) == checksum(other)


@BOTH
@ORDERS
def test_raises_the_loss_of_wrong_labels(name, order):
    wrong = WrongLabels(instance(name))
    state = wrong.served(instance(name, order=order, lr=0.05))
    assert wrong.loss(state) > wrong.loss(wrong.trained) + 0.5
    assert wrong.retain_accuracy(state) > 0.2


def test_nothing_is_masked_where_nothing_is_deleted(digits, trained):
    step = request(digits, NO_IDS)
    state, used = serve("salun", digits, trained, step=step)
    expected, _ = serve("finetune", digits, trained, step=step)
    assert checksum(state) == checksum(expected)
    assert used.meter.gradient_evaluations == 2 * len(digits.base_ids)


@BOTH
def test_passes_over_deleted_points_alone_move_no_statistics(name, digits, trained):
    options = {"order": "sequential", "batch_size": 8}
    state, used = serve(name, digits, trained, "resnet9", **options)
    tracked_names = [name for name in state if "tracked" in name]
    assert tracked_names
    for tracked_name in tracked_names:
        passes = state[tracked_name] - trained["resnet9"][tracked_name]
        assert passes == used.meter.optimizer_steps - 6


# -- soft thresholding


def test_one_step_is_thresholded_by_the_share(digits, trained):
    """w + S(-lr g), S by the smallest half of |lr g|, one minibatch, no momentum."""
    ids = ninth_ids(digits)
    described = task(digits, model="cnn1", batch_size=200, momentum=0.0, weight_decay=0.0)
    method = instance("salun_soft", epochs=1, lr=0.2, share=0.5)
    state = served(method, described, trained["cnn1"], request(digits, ids))
    labels = digits.train_labels.copy()
    keys = seeding.point_keys(seeding.derive(0, "random labels", 0), ids)
    labels[ids] = random_labels(labels[ids], keys, 10, True)
    all_ids = digits.base_ids
    slopes = gradient(described, trained["cnn1"], all_ids, labels[all_ids])
    change = -0.2 * weights(described, slopes)
    threshold = np.sort(np.abs(change))[len(change) // 2 - 1]
    thresholded = np.sign(change) * np.maximum(np.abs(change) - threshold, 0)
    expected = weights(described, trained["cnn1"]) + thresholded
    after = weights(described, state)
    assert after == pytest.approx(expected, rel=1e-5, abs=1e-6)
    is_same = after == weights(described, trained["cnn1"])
    assert is_same.sum() == pytest.approx(len(change) / 2, abs=0.01 * len(change))


def test_the_share_of_unchanged_weights_falls_linearly(digits, trained):
    """Two epochs of two minibatches: 0.8, 0.6, 0.4, 0.2 of the weights."""
    options = {"share": 0.8, "batch_size": 100, "epochs": 2}
    state, used = serve("salun_soft", digits, trained, **options)
    assert used.meter.optimizer_steps == 4
    is_same = weights(used, state) == weights(used, trained["cnn1"])
    assert is_same.mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("reference", ["original", "epoch"])
def test_changes_count_from_the_reference(reference, digits, trained):
    """Weights that the first epoch moves stay in the second only if it counts from its beginning.

    After one epoch of one minibatch both runs have the same model.
    """
    options = {"share": 0.5, "batch_size": 200, "reference": reference, "lr": 0.1}
    first, used = serve("salun_soft", digits, trained, epochs=1, **options)
    second, _ = serve("salun_soft", digits, trained, epochs=2, **options)
    before, middle, after = (weights(used, state) for state in (trained["cnn1"], first, second))
    is_kept = (middle == after) & (before != middle)
    assert bool(is_kept.any()) is (reference == "epoch")
    start = middle if reference == "epoch" else before
    assert (after == start).mean() == pytest.approx(0.25, abs=0.02)


@BOTH
@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_refuses_a_share_that_is_none(name, share):
    with pytest.raises(ValueError, match=f"share: {share} is not allowed; allowed: number between"):
        instance(name, share=share)
