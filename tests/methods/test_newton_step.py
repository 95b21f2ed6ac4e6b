"""Newton's step: the exact Hessian of a linear model, and what one step makes of a minimum."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import build, job
from tests.support.streams import served, with_pixels
from tests.support.study import load
from unlearn.algorithms.newton import ConjugateGradients, SoftmaxRegression, is_linear
from unlearn.algorithms.weights import move
from unlearn.core import registry
from unlearn.jobs.setup import new_task
from unlearn.requests.request import Request
from unlearn.study.load import StudyError

DECAY = 0.01
EXACT = ConjugateGradients(1e-11, 3000)


def task_of(digits, model="logistic", **recipe):
    return new_task(digits, job(model, **{"weight_decay": DECAY} | recipe))


@pytest.fixture(scope="module")
def trained(digits):
    """A linear model of the standard trainer."""
    return Subject(instance("newton_step"), digits, model="logistic").trained()


def vector(state):
    return np.concatenate([np.asarray(value).ravel() for value in state.values()])


def dense_step(digits, trained, ids, smoothing=0.0, damping=0.0, model="logistic"):
    """By the Hessian that autograd gives, as a matrix."""
    task = task_of(digits, model)
    network = task.bare_model(trained).double()
    shapes = {name: p.shape for name, p in network.named_parameters()}
    images, labels = task.data.images(ids).double(), task.data.labels(ids)

    def loss(weights):
        parts = weights.split([shape.numel() for shape in shapes.values()])
        named = {n: p.view(s) for (n, s), p in zip(shapes.items(), parts, strict=True)}
        logits = torch.func.functional_call(network, named, (images,))
        value = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        return value + DECAY / 2 * weights.square().sum()

    weights = parameters_to_vector(network.parameters()).detach()
    hessian = torch.func.hessian(loss)(weights) + damping * torch.eye(len(weights)).double()
    return (weights - torch.linalg.solve(hessian, torch.func.grad(loss)(weights))).numpy()


@pytest.mark.parametrize(("smoothing", "damping"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.05)])
def test_one_step_solves_the_system_of_the_exact_hessian(smoothing, damping, digits, trained):
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    task = task_of(digits, label_smoothing=smoothing)
    method = instance("newton_step", tolerance=1e-10, damping=damping)
    state = served(method, task, trained, request(digits, ids))
    expected = dense_step(digits, trained, retained, smoothing, damping)
    assert vector(state) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("labels", [None, [3, 8]], ids=["ten classes", "two classes"])
def test_one_step_on_rows_of_norm_one_solves_the_system_of_the_exact_hessian(labels, smoothing):
    """Two classes share one score, whose halves are their logits."""
    data = build("digits", labels=labels, validation=0, subset=200)
    task = task_of(data, "bounded_logistic", label_smoothing=smoothing)
    trained = task.trainer.train(task, data.base_ids, 0)
    ids = ninth_ids(data)
    retained = np.setdiff1d(data.base_ids, ids)
    method = instance("newton_step", tolerance=1e-10, damping=0.0)
    state = served(method, task, trained, request(data, ids))
    expected = dense_step(data, trained, retained, smoothing, model="bounded_logistic")
    assert np.abs(expected - vector(trained)).max() > 0.1
    assert vector(state) == pytest.approx(expected, abs=1e-5)


def at_minimum(digits, trained, ids):
    """The minimum of the penalised loss over some points, by Newton's steps."""
    task = task_of(digits)
    model = task.bare_model(trained)
    for _ in range(8):
        loss = SoftmaxRegression(task, model, ids, functional.cross_entropy, DECAY)
        move(model, loss.newton_step(EXACT).change)
    loss = SoftmaxRegression(task, model, ids, functional.cross_entropy, DECAY)
    assert float(loss.gradient().norm()) < 1e-9
    return {name: p.detach().float().numpy() for name, p in model.named_parameters()}


def test_from_a_minimum_it_nearly_is_retraining(digits, trained):
    """One step comes ten times nearer to the minimum without the points than doing nothing."""
    ids = ninth_ids(digits)
    before = at_minimum(digits, trained, digits.base_ids)
    oracle = at_minimum(digits, trained, np.setdiff1d(digits.base_ids, ids))
    method = instance("newton_step", damping=0.0)
    state = served(method, task_of(digits), before, request(digits, ids))
    distance = np.linalg.norm(vector(state) - vector(oracle))
    assert distance < 0.1 * np.linalg.norm(vector(before) - vector(oracle))


def test_added_points_are_learnt(digits, trained):
    addition = Request([digits.base_ids[:0]], [digits.held_out_ids])
    step = next(iter(addition.steps(len(digits.train_labels), digits.base_ids)))
    method = instance("newton_step", damping=0.0)
    state = served(method, task_of(digits), trained, step)
    point_ids = np.arange(len(digits.train_labels))
    assert vector(state) == pytest.approx(dense_step(digits, trained, point_ids), abs=1e-4)


def test_it_does_not_read_the_deleted_points(digits, trained):
    ids = ninth_ids(digits)
    states = [
        served(instance("newton_step"), task_of(dataset), trained, request(digits, ids))
        for dataset in (digits, with_pixels(digits, ids, 77))
    ]
    assert checksum(states[0]) == checksum(states[1])


def test_every_product_costs_one_gradient_of_each_point(digits, trained):
    """And the right-hand side another, and the probabilities a forward pass."""
    task = task_of(digits)
    retained = len(digits.base_ids) - len(ninth_ids(digits))
    method = instance("newton_step", max_steps=1)
    with pytest.warns(UserWarning, match="have not converged in 1 steps"):
        served(method, task, trained, ninth_step(digits))
    task.meter.settle()
    products = 2  # one step, and the residual after it
    assert task.meter.gradient_evaluations == (1 + products) * retained
    assert task.meter.forward_evaluations == retained
    sample = 2 * 64 * 10
    assert task.meter.flops == retained * sample * (1 + 2 * (1 + products))


def test_systems_that_have_not_converged_are_counted(digits, trained):
    counts = []
    for steps in (1, 500):
        task = task_of(digits)
        method = instance("newton_step", max_steps=steps)
        if steps == 1:
            with pytest.warns(UserWarning, match="a larger damping helps"):
                served(method, task, trained, ninth_step(digits))
        else:
            served(method, task, trained, ninth_step(digits))
        counts.append(task.meter.counts)
    assert counts[0]["unconverged_solves"] == 1 and counts[0]["largest_residual"] > 1e-6
    assert counts[1]["unconverged_solves"] == 0 and counts[1]["largest_residual"] <= 1e-6


def test_damping_shortens_the_step(digits, trained):
    lengths = []
    for damping in (0.0, 0.1, 10.0):
        method = instance("newton_step", damping=damping)
        state = served(method, task_of(digits), trained, ninth_step(digits))
        lengths.append(np.linalg.norm(vector(state) - vector(trained)))
    assert lengths[0] > lengths[1] > lengths[2] > 0


def test_a_model_that_is_not_convex_is_refused(digits):
    message = "model: newton_step, mlp on digits: the loss of Mlp is not convex in its weights; "
    with pytest.raises(StudyError, match=message + "allowed: logistic, bounded_logistic"):
        load(lambda _, experiment: experiment.update(method="newton_step", model="mlp"))
    subject = Subject(instance("newton_step"), digits)
    with pytest.raises(
        ValueError, match="not one linear layer; allowed: logistic, bounded_logistic"
    ):
        subject.serve(subject.trained())


def test_a_linear_model_is_told_by_its_layers():
    shape = ((8, 8, 1), 10)
    linear = registry.find("models", "logistic")().build(*shape)
    assert is_linear(linear)
    assert not is_linear(registry.find("models", "mlp")().build(*shape))
    assert not is_linear(torch.nn.Sequential(linear, torch.nn.ReLU()))
    assert not is_linear(torch.nn.Sequential(torch.nn.BatchNorm2d(1), linear))
    two_classes = registry.find("models", "bounded_logistic")().build((8, 8, 1), 2)
    assert is_linear(two_classes)
    assert not is_linear(torch.nn.Sequential(two_classes, torch.nn.ReLU()))


def test_no_point_left_is_refused(digits, trained):
    with pytest.raises(ValueError, match="no point is left"):
        served(instance("newton_step"), task_of(digits), trained, request(digits, digits.base_ids))
