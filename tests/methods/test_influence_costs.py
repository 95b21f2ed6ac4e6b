"""What the weights of influence distillation cost: counted work against closed formulas."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import job
from tests.support.streams import deletions, served_steps
from unlearn.algorithms.influence import curvature
from unlearn.algorithms.influence.curvature import GaussNewton, LabelledPoints
from unlearn.core import registry
from unlearn.jobs.setup import new_task

CLASSES = 10
PIXELS = 64
HIDDEN = 128
RETAINED = 50
DELETED = 32


def matrix_flops(points, weights, pass_flops, backward_flops, classes):
    """Of the sum over points of J' H J.

    A point goes forward twice and backward from every output; H J takes 2 C^2 P operations and
    J' (H J) takes 2 C P^2.
    """
    passes = 2 * pass_flops + classes * backward_flops
    return points * (passes + 2 * classes**2 * weights + 2 * classes * weights**2)


def system_flops(points, weights):
    """Of the Cholesky factor and of the solutions of as many systems."""
    return weights**3 // 3 + 2 * weights**2 * points


@pytest.mark.parametrize(("inputs", "classes", "points"), [(6, 4, 60), (7, 3, 64), (128, 10, 70)])
def test_the_matrix_of_a_linear_layer_is_counted_exactly(inputs, classes, points):
    model = nn.Linear(inputs, classes).double()
    labels = torch.randint(0, classes, (points,))
    examples = LabelledPoints(torch.randn(points, inputs).double(), labels)
    solver = GaussNewton(model, examples, 0.1, curvature.mean_cross_entropy, 0)
    weights = (inputs + 1) * classes
    product = 2 * inputs * classes
    expected = matrix_flops(points, weights, product, product, classes)
    assert solver.dense_flops == expected + weights**3 // 3
    solver.influences(LabelledPoints(examples.inputs[:5], examples.labels[:5]))
    assert solver.dense_flops == expected + system_flops(5, weights)


def test_products_alone_leave_the_count_of_the_matrix_at_zero(monkeypatch):
    monkeypatch.setattr(curvature, "MAX_DENSE_PARAMETERS", 1)
    examples = LabelledPoints(torch.randn(9, 6).double(), torch.randint(0, 4, (9,)))
    solver = GaussNewton(nn.Linear(6, 4).double(), examples, 0.1, curvature.mean_cross_entropy, 0)
    solver.influences(examples)
    assert solver.products > 0 and solver.dense_flops == 0


def charged(digits, model, **options):
    """The meter of a request for 32 points."""
    values = {"epochs": 1, "batch_size": 32, "curvature_points": RETAINED} | options
    described = job(model, method="influence_distillation", options=values, epochs=2)
    task = new_task(digits, described)
    trained = task.trainer.train(task, digits.base_ids, 0)
    method = registry.create("methods", described.method)
    _, meters = served_steps(method, task, trained, deletions(digits.base_ids[::5]))
    meters[0].settle()
    return meters[0]


def test_the_hessian_of_the_last_layer_is_charged(digits):
    uniform = charged(digits, "mlp", weights="uniform")
    hessian = charged(digits, "mlp", weights="hessian")
    weights = (HIDDEN + 1) * CLASSES
    layer = 2 * HIDDEN * CLASSES
    network = 2 * PIXELS * HIDDEN + layer
    expected = (DELETED + RETAINED) * network
    expected += matrix_flops(RETAINED, weights, layer, layer, CLASSES)
    expected += system_flops(DELETED, weights) + DELETED * 2 * layer
    assert hessian.flops - uniform.flops == expected
    assert hessian.forward_evaluations - uniform.forward_evaluations == DELETED + RETAINED
    assert hessian.gradient_evaluations == uniform.gradient_evaluations
    assert hessian.flops > 10 * uniform.flops  # once it was hardly more


def test_the_hessian_of_a_whole_model_is_charged(digits):
    uniform = charged(digits, "logistic", weights="uniform")
    hessian = charged(digits, "logistic", weights="hessian", layers="all")
    weights = (PIXELS + 1) * CLASSES
    product = 2 * PIXELS * CLASSES
    expected = DELETED * 2 * product  # their gradients
    expected += matrix_flops(RETAINED, weights, product, product, CLASSES)
    expected += system_flops(DELETED, weights)
    assert hessian.flops - uniform.flops == expected
    spent = hessian.gradient_evaluations - uniform.gradient_evaluations
    assert spent == DELETED + CLASSES * RETAINED


def test_counting_changes_no_influence(digits):
    """The matrix under the counter is the matrix without it, to the bit."""
    task = new_task(digits, job("logistic"))
    network = task.bare_model(task.trainer.train(task, digits.base_ids, 0)).eval()
    ids = digits.base_ids[:RETAINED]
    points = LabelledPoints(task.data.images(ids), task.data.labels(ids))
    solver = GaussNewton(network, points, 0.1, curvature.mean_cross_entropy, 0)
    assert np.array_equal(solver.matrix(), solver._outer_products() / RETAINED)
