"""Datamodels: the sketch, the Newton step, the linearised network."""

import numpy as np
import pytest
import torch

from tests.support.jobs import job
from unlearn.algorithms.datamodel import (
    Attribution,
    LinearisedModel,
    Sketch,
    newton_step,
    weighted_log_odds,
)
from unlearn.jobs.setup import new_task
from unlearn.training.state import state_of


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("size", "width"), [(7, 7), (7, 20)])
def test_few_coordinates_are_kept_as_they_are(size, width):
    sketch = Sketch(size, width, seed=1)
    rows = random(3, size)
    assert torch.equal(sketch(rows), rows)
    assert torch.equal(sketch.transposed(rows[0]), rows[0])


def test_the_transposed_sketch_is_the_adjoint():
    sketch = Sketch(50, 8, seed=1)
    row, vector = random(50), random(8, seed=1)
    assert float(sketch(row[None])[0] @ vector) == pytest.approx(
        float(row @ sketch.transposed(vector))
    )


def test_inner_products_are_kept_on_average():
    row, other = random(60), random(60, seed=1) + 1
    values = []
    for seed in range(400):
        sketch = Sketch(60, 16, seed)
        values.append(float(sketch(row[None])[0] @ sketch(other[None])[0]))
    error = np.std(values) / 20
    assert np.mean(values) == pytest.approx(float(row @ other), abs=4 * error)


def test_least_squares_are_left_out_exactly():
    """f(x) + x' H^-1 sum of gradients is the prediction of the regression without the points."""
    inputs, noise = random(40, 6), random(40, seed=1)
    targets = inputs @ random(6, seed=2) + noise
    solution = torch.linalg.lstsq(inputs, targets[:, None]).solution[:, 0]
    retained = torch.linalg.lstsq(inputs[9:], targets[9:, None]).solution[:, 0]
    gradients = inputs[:9] * (inputs[:9] @ solution - targets[:9])[:, None]
    sketch = Sketch(6, 100, seed=0)
    rows = sketch(inputs[9:])
    step = newton_step(rows.t() @ rows, sketch(gradients.sum(0)[None])[0], damping=0.0)
    points = random(20, 6, seed=3)
    predicted = points @ solution + points @ sketch.transposed(step)
    assert predicted.numpy() == pytest.approx((points @ retained).numpy(), abs=1e-8)


def test_damping_is_relative_to_the_diagonal():
    curvature = torch.diag(torch.tensor([1.0, 3.0], dtype=torch.float64))
    step = newton_step(curvature, torch.tensor([6.0, 8.0], dtype=torch.float64), damping=0.5)
    assert step.tolist() == pytest.approx([3.0, 2.0])
    assert not newton_step(0 * curvature, torch.ones(2, dtype=torch.float64), 0.5).any()


def test_squared_log_odds_are_the_hessian_of_two_classes():
    """p (1 - p) J J' of the log-odds is J' (diag(p) - p p') J of the logits."""
    weights = random(2, 5).requires_grad_()
    point, label = random(1, 5, seed=1), torch.tensor([1])
    (gradient,) = torch.autograd.grad(weighted_log_odds(point @ weights.t(), label), weights)

    def loss(flat):
        logits = point @ flat.view(2, 5).t()
        return torch.nn.functional.cross_entropy(logits, label)

    hessian = torch.autograd.functional.hessian(loss, weights.detach().flatten())
    outer = gradient.flatten()[:, None] * gradient.flatten()
    assert outer.numpy() == pytest.approx(hessian.numpy(), abs=1e-12)


@pytest.fixture(scope="module")
def task(digits):
    return new_task(digits, job("logistic", epochs=60, lr=0.2, weight_decay=0.01))


@pytest.fixture(scope="module")
def original(task, digits):
    return state_of(task.model(task.trainer.train(task, digits.base_ids, 0)))


def test_a_datamodel_is_the_newton_step_of_the_linearised_network(digits, task, original):
    """Against the formula, for softmax regression: J(x) (H + lambda)^-1 sum of gradients."""
    ids = digits.base_ids[::9]
    retained = np.setdiff1d(digits.base_ids, ids)
    predicted = Attribution(10_000, 0.3, seed=0).without(task, original, ids, retained)
    inputs = {
        name: task.data.images(part).flatten(1).double()
        for name, part in (("forget", ids), ("retain", retained))
    }
    inputs = {name: torch.cat([x, torch.ones(len(x), 1)], 1) for name, x in inputs.items()}
    weights = torch.cat([original["1.weight"], original["1.bias"][:, None]], 1).double()
    one_hot = {
        "forget": torch.nn.functional.one_hot(task.data.labels(ids), 10).double(),
        "retain": torch.nn.functional.one_hot(task.data.labels(retained), 10).double(),
    }
    errors = torch.softmax(inputs["forget"] @ weights.t(), 1) - one_hot["forget"]
    gradient = (errors.t() @ inputs["forget"]).flatten()
    p = torch.softmax(inputs["retain"] @ weights.t(), 1)
    label_p = (p * one_hot["retain"]).sum(1, keepdim=True)
    log_odds = one_hot["retain"] - p * (1 - one_hot["retain"]) / (1 - label_p)
    rows = (log_odds[:, :, None] * inputs["retain"][:, None, :]).flatten(1)
    curvature = (rows * label_p * (1 - label_p)).t() @ rows
    shift = 0.3 * curvature.diagonal().mean()
    step = torch.linalg.solve(curvature + shift * torch.eye(len(gradient)), gradient)
    expected = inputs["forget"] @ (weights + step.view(10, -1)).t()
    logits = predicted(task.data.images(ids)).numpy()
    assert logits == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind", ["class", "ninth"])
def test_predictions_come_closer_to_retraining(kind, digits, task, original):
    """By half or more, for a regression that is trained to convergence."""
    labels = digits.train_labels[digits.base_ids]
    ids = digits.base_ids[labels == 3] if kind == "class" else digits.base_ids[::9]
    retained = np.setdiff1d(digits.base_ids, ids)
    oracle = task.trainer.retrain(task, retained, 0)
    predicted = Attribution(1024, 3.0, seed=0).without(task, original, ids, retained)
    pixels = task.data.train_images[ids]
    before = torch.softmax(task.trainer.predict(task, original, pixels), 1)
    after = torch.softmax(predicted(task.data.images(ids)), 1)
    target = torch.softmax(task.trainer.predict(task, oracle, pixels), 1)
    assert (after - target).norm() < 0.5 * (before - target).norm()


def test_weights_that_do_not_change_predict_the_same_outputs(digits, task, original):
    network = task.bare_model(original).eval()
    change = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    images = task.data.images(digits.base_ids[:5])
    predicted = LinearisedModel(task, network, change)(images)
    assert torch.equal(predicted, network(images).detach())
