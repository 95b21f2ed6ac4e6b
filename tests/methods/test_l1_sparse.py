"""l1-sparse: fine-tuning with a penalty on magnitudes that falls from epoch to epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step
from tests.support.streams import with_pixels


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("finetune"), digits).trained()


def serve(digits, trained, **options):
    """The state after l1-sparse with one minibatch an epoch and plain SGD; and the task."""
    subject = Subject(instance("l1_sparse", **options), digits)
    task = subject.task()
    task.recipe = replace(task.recipe, batch_size=200, momentum=0.0, weight_decay=0.0)
    update = subject.method.unlearn(task, trained, ninth_step(digits), 0)
    return {name: np.asarray(tensor) for name, tensor in update.tensors.items()}, task


def steps_by_hand(task, digits, trained, lr, penalties):
    """Weights after w <- w - lr (gradient on the retain set + gamma sign w), step by step."""
    model = task.model(trained)
    ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    images, labels = task.data.images(ids), task.data.labels(ids)
    for gamma in penalties:
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        with torch.no_grad():
            for weights in model.parameters():
                weights.sub_(lr * (weights.grad + gamma * weights.sign()))
    return {name: tensor.detach() for name, tensor in model.named_parameters()}


def test_one_step_is_that_of_the_loss_and_of_the_signs(digits, trained):
    state, task = serve(digits, trained, epochs=1, tail_epochs=0, lr=0.3, gamma=0.01)
    for name, weights in steps_by_hand(task, digits, trained, 0.3, [0.01]).items():
        assert state[name] == pytest.approx(weights.numpy(), rel=1e-5, abs=1e-6), name


def test_the_penalty_falls_by_equal_steps_and_ends_before_the_tail(digits, trained):
    state, task = serve(digits, trained, epochs=4, tail_epochs=1, lr=0.1, gamma=0.03)
    penalties = [0.03, 0.02, 0.01, 0.0]
    for name, weights in steps_by_hand(task, digits, trained, 0.1, penalties).items():
        assert state[name] == pytest.approx(weights.numpy(), rel=1e-4, abs=2e-6), name
    method = instance("l1_sparse", epochs=4, tail_epochs=1, gamma=0.03)
    assert [method.penalty(epoch) for epoch in range(4)] == pytest.approx(penalties)


def test_without_a_tail_the_last_epoch_has_a_penalty():
    method = instance("l1_sparse", epochs=2, tail_epochs=0, gamma=1.0)
    assert [method.penalty(epoch) for epoch in range(2)] == [1.0, 0.5]


def test_weights_vanish(digits, trained):
    """More of them are near zero than after fine-tuning, at the same rate."""
    options = {"epochs": 4, "lr": 0.05}
    sparse, _ = Subject(instance("l1_sparse", gamma=5e-3, **options), digits).serve(trained)
    plain, _ = Subject(instance("finetune", **options), digits).serve(trained)
    shares = [np.mean(np.abs(state["1.weight"]) < 1e-2) for state in (sparse, plain)]
    assert shares[0] > 2 * shares[1]


def test_the_deleted_points_are_not_read(digits, trained):
    subject = Subject(instance("l1_sparse"), digits)
    state, task = subject.serve(trained)
    other, _ = subject.serve(trained, with_pixels(digits, ninth_ids(digits), 77))
    assert checksum(state) == checksum(other)
    assert task.meter.gradient_evaluations == 3 * (160 - len(ninth_ids(digits)))


def test_a_tail_of_all_epochs_is_refused():
    message = r"^tail_epochs: 2 leaves none of the 2 epochs; allowed: 0 \.\. 1$"
    with pytest.raises(ValueError, match=message):
        instance("l1_sparse", epochs=2, tail_epochs=2)
