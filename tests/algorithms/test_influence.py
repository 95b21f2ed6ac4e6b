"""Influences: closed forms, an independent library, retraining without a point."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional

from unlearn.algorithms.influence import curvature
from unlearn.algorithms.influence.curvature import GaussNewton, LabelledPoints
from unlearn.algorithms.influence.weights import weights_of

torch.set_num_threads(1)


def half_square(outputs, labels):
    return 0.5 * (outputs[:, 0] - labels).square().mean()


@pytest.fixture
def toy():
    """Four points on two axes, inputs 1, 2 | 1, 3 and residuals 1, 1, 1, 2 at weights 0."""
    model = nn.Linear(2, 1, bias=False).double()
    nn.init.zeros_(model.weight)
    inputs = torch.tensor([[1.0, 0], [2, 0], [0, 1], [0, 3]]).double()
    return model, LabelledPoints(inputs, torch.tensor([1.0, 1, 1, 2]).double())


def part(points, rows):
    return LabelledPoints(points.inputs[rows], points.labels[rows])


def uncapped_weights(influences):
    return weights_of(influences, None, np.arange(len(influences)))[0]


def test_the_quadratic_toy_without_damping(toy):
    model, points = toy
    gauss_newton = GaussNewton(model, points, 1e-12, half_square, 0)
    assert np.diag(gauss_newton.matrix()) == pytest.approx([1.25, 2.5], abs=1e-12)
    assert gauss_newton.influences(points) == pytest.approx([0.8, 3.2, 0.4, 14.4], abs=1e-6)
    influences = curvature.fisher(model, points, points, 1e-12, half_square)
    assert influences == pytest.approx([0.8, 3.2, 0.10811, 3.89189], abs=1e-5)
    deleted_points = part(points, [1, 3])
    influences = gauss_newton.influences(deleted_points)
    assert uncapped_weights(influences) == pytest.approx([0.36364, 1.63636], abs=1e-5)
    influences = curvature.fisher(model, deleted_points, points, 1e-12, half_square)
    assert uncapped_weights(influences) == pytest.approx([0.90244, 1.09756], abs=1e-5)


def test_the_quadratic_toy_with_damping(toy):
    """lambda = 0.25: a share of the mean of either diagonal."""
    model, points = toy
    deleted_points = part(points, [1, 3])
    influences = GaussNewton(model, points, 0.25 / 1.875, half_square, 0).influences(deleted_points)
    assert uncapped_weights(influences) == pytest.approx([0.33846, 1.66154], abs=1e-5)
    influences = curvature.fisher(model, deleted_points, points, 0.25 / 5.25, half_square)
    assert uncapped_weights(influences) == pytest.approx([0.82609, 1.17391], abs=1e-5)


def test_least_squares_give_the_leverage():
    """The influence is n r_i^2 h_ii with the hat matrix h, at the optimum."""
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 4))
    y = random.normal(size=30)
    hat = x @ np.linalg.solve(x.T @ x, x.T)
    residual = y - hat @ y
    model = nn.Linear(4, 1, bias=False).double()
    model.weight.data = torch.from_numpy(np.linalg.lstsq(x, y, rcond=None)[0])[None]
    points = LabelledPoints(torch.from_numpy(x), torch.from_numpy(y))
    influences = GaussNewton(model, points, 1e-14, half_square, 0).influences(points)
    assert influences == pytest.approx(30 * residual**2 * np.diag(hat), rel=1e-8)


def classifier(kind="softmax", points=60, seed=0):
    torch.manual_seed(seed)
    inputs = torch.randn(points, 6).double()
    labels = torch.randint(0, 4, (points,))
    hidden = [nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)]
    model = nn.Sequential(*hidden) if kind == "network" else nn.Sequential(nn.Linear(6, 4))
    return model.double(), LabelledPoints(inputs, labels)


@pytest.mark.parametrize("kind", ["softmax", "network"])
def test_conjugate_gradients_agree_with_the_factorisation(kind, monkeypatch):
    model, points = classifier(kind)
    monkeypatch.setattr(curvature, "CG_TOLERANCE", 1e-10)
    dense_curvature = GaussNewton(model, points, 0.1, curvature.mean_cross_entropy, 0)
    expected = dense_curvature.influences(points)
    monkeypatch.setattr(curvature, "MAX_DENSE_PARAMETERS", 1)
    cg_curvature = GaussNewton(model, points, 0.1, curvature.mean_cross_entropy, 0)
    cg_curvature.shift = dense_curvature.shift  # the mean of the diagonal is an estimate there
    assert cg_curvature.influences(points) == pytest.approx(expected, rel=1e-6)
    assert cg_curvature.unconverged == 0 and 0 < cg_curvature.residual < 1e-9
    estimate = cg_curvature._mean_diagonal(0)
    assert estimate == pytest.approx(dense_curvature.shift / 0.1, rel=0.3)


def test_products_agree_with_an_independent_library():
    library = pytest.importorskip("curvlinops")
    model, points = classifier("network")
    operator = library.GGNLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), [(points.inputs, points.labels)]
    )
    gauss_newton = GaussNewton(model, points, 0.1, curvature.mean_cross_entropy, 0)
    vector = torch.randn(gauss_newton.size).double()
    expected = (operator @ vector).numpy()
    assert gauss_newton.product(vector.numpy()) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert gauss_newton.matrix() @ vector.numpy() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def fit_to_optimum(model, points, left_out_row=None, decay=0.01):
    """The optimum of the regularised loss, found by Newton's method of torch."""
    rows = torch.tensor([i for i in range(len(points)) if i != left_out_row])
    retained_points = part(points, rows)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(retained_points.inputs), retained_points.labels)
        loss = loss + decay / 2 * sum(p.square().sum() for p in model.parameters())
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


def test_influences_rank_points_as_retraining_without_them_does():
    """A logistic regression of 80 points: the rise of a point's own loss when it is left out."""
    model, points = classifier(points=80)
    fit_to_optimum(model, points)
    loss = functional.cross_entropy(model(points.inputs), points.labels, reduction="none")
    rises = []
    for i in range(80):
        retrained_model, _ = classifier(points=80)
        fit_to_optimum(retrained_model, points, left_out_row=i)
        point = part(points, slice(i, i + 1))
        left_out_loss = functional.cross_entropy(retrained_model(point.inputs), point.labels)
        rises.append(float(left_out_loss.detach() - loss[i].detach()))
    gauss_newton = GaussNewton(model, points, 1, curvature.mean_cross_entropy, 0)
    mean_diagonal = gauss_newton.shift  # damping 1 is the mean of the diagonal
    damping = 0.01 / mean_diagonal
    gauss_newton = GaussNewton(model, points, damping, curvature.mean_cross_entropy, 0)
    influences = gauss_newton.influences(points)
    assert spearmanr(influences, rises).statistic >= 0.95
    assert 0.5 < np.median(influences / 80 / rises) < 1.1
    fisher = curvature.fisher(model, points, points, 0.1, curvature.mean_cross_entropy)
    assert spearmanr(fisher, rises).statistic >= 0.95


def test_the_last_layer_is_the_model_on_its_inputs():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 16, 3))
    points = LabelledPoints(torch.randn(100, 1, 6, 6), torch.randint(0, 3, (100,)))
    layer, layer_points = curvature.last_layer(model, points)
    assert torch.allclose(layer(layer_points.inputs).float(), model(points.inputs), atol=1e-5)
    frozen_model = nn.Sequential(*[m for m in model])
    for name, parameter in frozen_model.named_parameters():
        parameter.requires_grad_(name.startswith("2."))
    gauss_newton = GaussNewton(layer, layer_points, 0.1, curvature.mean_cross_entropy, 0)
    influences = gauss_newton.influences(layer_points)
    gauss_newton = GaussNewton(frozen_model, points, 0.1, curvature.mean_cross_entropy, 0)
    expected = gauss_newton.influences(points)
    assert influences == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match="ends in a linear layer"):
        curvature.last_layer(nn.Sequential(nn.Linear(36, 3), nn.ReLU()), points)


def test_solutions_that_do_not_converge_are_counted(monkeypatch):
    model, points = classifier("network")
    monkeypatch.setattr(curvature, "MAX_DENSE_PARAMETERS", 1)
    monkeypatch.setattr(curvature, "MAX_CG_STEPS", 1)
    gauss_newton = GaussNewton(model, points, 1e-9, curvature.mean_cross_entropy, 0)
    gauss_newton.influences(part(points, [0, 1, 2]))
    assert gauss_newton.unconverged == 3 and gauss_newton.residual > curvature.CG_TOLERANCE
    with pytest.warns(UserWarning, match=r"3 systems have not converged .* residual is \d"):
        curvature.warn_unconverged(gauss_newton)


# -- weights -------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(1, 50))
def test_weights_have_mean_one_and_a_largest_value(influences, cap):
    ids = np.arange(len(influences))
    weights, _ = weights_of(np.array(influences), cap, ids)
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert weights.max() <= cap * (1 + 1e-9) and weights.min() >= 0
    weights_of_multiples, _ = weights_of(1e3 * np.array(influences), cap, ids)
    assert weights_of_multiples == pytest.approx(weights, rel=1e-6)
    order = np.argsort(influences, kind="stable")
    assert (np.diff(weights[order]) >= -1e-9).all()


def test_capping_is_what_repeated_cutting_and_scaling_tends_to():
    influences = np.random.default_rng(0).lognormal(0, 3, 200)
    expected = influences / influences.mean()
    for _ in range(2000):
        expected = np.minimum(expected, 10)
        expected = expected / expected.mean()
    assert weights_of(influences, 10, np.arange(200))[0] == pytest.approx(expected, rel=1e-9)
    assert weights_of(np.ones(7), None, np.arange(7))[0] == pytest.approx(np.ones(7))
    assert weights_of(np.array([5.0]), 10, np.arange(1))[0] == [1]


def test_just_enough_points_below_the_cap():
    random = np.random.default_rng(0)
    for _ in range(500):
        count = int(random.integers(1, 8))
        influences = np.zeros(10 * count)
        influences[:count] = random.uniform(0, 1, count)
        weights, _ = weights_of(influences, 10, np.arange(len(influences)))
        assert np.isfinite(weights).all() and weights.mean() == pytest.approx(1, abs=1e-6)


def test_odd_influences():
    ids = np.array([7, 8, 9])
    for influences in (np.zeros(3), np.full(3, np.nan), np.full(3, np.inf)):
        weights, note = weights_of(influences, 10, ids)
        assert (weights == 1).all() and "all weights are 1" in note
    assert (weights_of(np.array([1.0, -1e-9, 3.0]), None, ids)[0] >= 0).all()
    with pytest.raises(ValueError, match="point 8 is nan"):
        weights_of(np.array([1.0, np.nan, 3.0]), 10, ids)
    with pytest.raises(ValueError, match=r"point 9 is -0\.5, below 0"):
        weights_of(np.array([1.0, 0.0, -0.5]), 10, ids)
    weights, note = weights_of(np.eye(100)[0], 10, np.arange(100))
    assert weights.max() <= 10 and weights.min() > 0 and "get a little" in note
