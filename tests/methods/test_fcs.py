"""FCS: flat predictions first, then contrast and repair in turns."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, arrays, instance, ninth_ids, request
from tests.support.jobs import job
from tests.support.streams import deletions, served, served_steps, with_pixels
from unlearn.algorithms.contrast import contrast, uniform_divergence
from unlearn.jobs.setup import new_task
from unlearn.training.data import normalised

STILL = 1e-30
"""A learning rate that moves no float32 weight."""

PLAIN = {"batch_size": 200, "momentum": 0.0, "weight_decay": 0.01}
"""A recipe of one minibatch an epoch whose step is minus the rate times the gradient, less decay."""


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("finetune"), digits).trained()


def fcs(**options):
    """A version that leaves out what is not named."""
    return instance(
        "fcs", **{"rounds": 1, "uniform_lr": 0, "contrast_lr": 0, "lr": STILL} | options
    )


def images_of(task, ids):
    return normalised(task.data.train_images[ids], task.data)


def mean_divergence(task, state, ids):
    """KL(uniform || p) over points."""
    logits = task.trainer.predict(task, state, task.data.train_images[ids])
    return float(-functional.log_softmax(logits, 1).mean() - math.log(10))


def assert_is_near(state, model):
    for name, parameter in model.named_parameters():
        expected = parameter.detach().numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-5, abs=1e-7), name


def descend(model, loss, lr):
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(parameter.grad, alpha=lr)


def test_the_divergence_from_uniform_is_that_of_the_formula():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert float(uniform_divergence(logits)) == pytest.approx(expected / 2, rel=1e-5)


def test_the_contrast_of_equal_similarities_is_the_logarithm_of_the_retained_points():
    forget_logits = torch.ones(3, 4)
    retain_logits = torch.eye(4)
    assert float(contrast(forget_logits, retain_logits, 1.15)) == pytest.approx(math.log(4))


def test_the_contrast_is_that_of_the_formula_and_passes_no_gradient_to_retained_points():
    forget_logits = torch.tensor([[2.0, 0.0]], requires_grad=True)
    retain_logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    loss = contrast(forget_logits, retain_logits, 2.0)
    total = math.log(math.e + 1)  # similarities 1 and 0
    assert loss.item() == pytest.approx(total - 0.5)
    loss.backward()
    assert forget_logits.grad is not None and retain_logits.grad is None


def test_the_first_pass_steps_along_the_gradient_of_the_divergence(digits, trained):
    ids = ninth_ids(digits)
    task = new_task(digits, job(**PLAIN))
    state = served(fcs(uniform_lr=0.3), task, trained, request(digits, ids))
    model = task.model(trained)
    loss = -functional.log_softmax(model(images_of(task, ids)), 1).mean()
    descend(model, loss, 0.3)
    assert_is_near(state, model)


def test_forget_passes_step_along_the_contrast_on_a_cosine(digits, trained):
    """Two rounds of one minibatch: at the full rate, then at half of it."""
    ids = ninth_ids(digits)
    task = new_task(digits, job(**PLAIN))
    method = fcs(contrast_lr=0.02, rounds=2, temperature=2.0)
    state = served(method, task, trained, request(digits, ids))
    model = task.model(trained)
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    for rate in (0.02, 0.01):
        with torch.no_grad():
            retain_logits = model(images_of(task, retain_ids))
        similarities = model(images_of(task, ids)) @ retain_logits.t() / 2.0
        descend(model, -functional.log_softmax(similarities, 1).mean(), rate)
    assert_is_near(state, model)


@pytest.mark.parametrize("options", [{"uniform_lr": 0.05}, {"contrast_lr": 0.005}])
def test_retain_passes_have_a_momentum_of_their_own(options, digits, trained):
    """A round is fine-tuning of what the forget passes leave, to the bit."""
    step = request(digits, ninth_ids(digits))
    task = new_task(digits, job(nesterov=True))
    whole = served(fcs(lr=0.02, batch_size=4, **options), task, trained, step)
    middle = served(fcs(batch_size=4, **options), task, trained, step)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda kept: kept):
        repaired = served(instance("finetune", epochs=1, lr=0.02), task, middle, step)
    for name, tensor in arrays(whole).items():
        assert np.array_equal(tensor, np.asarray(repaired[name])), name


def test_the_first_pass_flattens_predictions_and_contrast_changes_them(digits, trained):
    ids = ninth_ids(digits)
    step = request(digits, ids)
    task = new_task(digits, job())
    before = mean_divergence(task, trained, ids)
    flat = served(fcs(uniform_lr=0.01), task, trained, step)
    assert mean_divergence(task, flat, ids) < before
    contrasted = served(fcs(contrast_lr=0.001), task, trained, step)

    def mean_contrast(state):
        logits = [
            task.trainer.predict(task, state, task.data.train_images[points])
            for points in (ids, step.retain_ids)
        ]
        retain_logits = task.trainer.predict(task, trained, task.data.train_images[step.retain_ids])
        return float(contrast(logits[0], retain_logits, 1.15))

    assert mean_contrast(contrasted) < mean_contrast(trained)


def test_forget_passes_leave_batch_statistics_alone(digits):
    """With rates of next to nothing the statistics are those of fine-tuning, to the bit."""
    task = new_task(digits, job("resnet9", epochs=1, size={"width": 2}))
    base = task.trainer.train(task, digits.base_ids, 0)
    step = request(digits, ninth_ids(digits))
    state = served(fcs(uniform_lr=STILL, contrast_lr=STILL), task, base, step)
    other = served(instance("finetune", epochs=1, lr=STILL), task, base, step)
    names = [name for name in base if "running" in name]
    assert names
    for name in names:
        assert np.array_equal(np.asarray(state[name]), np.asarray(other[name])), name


def test_a_class_is_forgotten_and_others_are_kept(digits, trained):
    labels = digits.train_labels[digits.base_ids]
    ids = digits.base_ids[labels == 3]
    step = request(digits, ids)
    task = new_task(digits, job())
    state = served(instance("fcs", contrast_lr=0.003, lr=0.02), task, trained, step)

    def accuracy(model_state, points):
        logits = task.trainer.predict(task, model_state, task.data.train_images[points])
        return float((logits.argmax(1) == task.data.train_labels[points]).float().mean())

    assert accuracy(trained, ids) > 0.9
    assert accuracy(state, ids) < 0.5
    assert accuracy(state, step.retain_ids) > 0.9


def test_a_later_step_does_not_look_at_points_that_were_deleted_before(digits, trained):
    stream = deletions(digits.base_ids[:10], digits.base_ids[20:30])
    states = []
    for data in (digits, with_pixels(digits, digits.base_ids[:10], 77)):
        task = new_task(data, job())
        first_task = new_task(digits, job())
        steps = list(stream.steps(len(digits.train_labels), digits.base_ids))
        first = served(instance("fcs"), first_task, trained, steps[0])
        states.append(arrays(served(instance("fcs"), task, first, steps[1])))
    for name in states[0]:
        assert np.array_equal(states[0][name], states[1][name])


def test_costs_are_those_of_its_passes(digits, trained):
    stream = deletions(digits.base_ids[:10], digits.base_ids[20:25])
    task = new_task(digits, job())
    _, meters = served_steps(instance("fcs", rounds=2), task, trained, stream)
    retained = [len(digits.base_ids) - 10, len(digits.base_ids) - 15]
    for meter, left, deleted in zip(meters, retained, (10, 5), strict=True):
        assert meter.gradient_evaluations == 2 * left + 3 * deleted
        assert meter.forward_evaluations == 2 * 32  # a retained minibatch for each forget pass
    expected = instance("fcs", rounds=2, uniform_lr=0).gradient_evaluations(100, 7, None)
    assert expected == 2 * 100 + 2 * 7
