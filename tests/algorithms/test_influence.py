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


def some_weights(raw):
    return weights_of(raw, None, np.arange(len(raw)))[0]


def test_the_quadratic_toy_without_damping(toy):
    model, points = toy
    found = GaussNewton(model, points, 1e-12, half_square, 0)
    assert np.diag(found.matrix()) == pytest.approx([1.25, 2.5], abs=1e-12)
    assert found.influences(points) == pytest.approx([0.8, 3.2, 0.4, 14.4], abs=1e-6)
    raw = curvature.fisher(model, points, points, 1e-12, half_square)
    assert raw == pytest.approx([0.8, 3.2, 0.10811, 3.89189], abs=1e-5)
    gone = part(points, [1, 3])
    assert some_weights(found.influences(gone)) == pytest.approx([0.36364, 1.63636], abs=1e-5)
    raw = curvature.fisher(model, gone, points, 1e-12, half_square)
    assert some_weights(raw) == pytest.approx([0.90244, 1.09756], abs=1e-5)


def test_the_quadratic_toy_with_damping(toy):
    """lambda = 0.25: a share of the mean of either diagonal."""
    model, points = toy
    gone = part(points, [1, 3])
    raw = GaussNewton(model, points, 0.25 / 1.875, half_square, 0).influences(gone)
    assert some_weights(raw) == pytest.approx([0.33846, 1.66154], abs=1e-5)
    raw = curvature.fisher(model, gone, points, 0.25 / 5.25, half_square)
    assert some_weights(raw) == pytest.approx([0.82609, 1.17391], abs=1e-5)


def test_least_squares_give_the_leverage():
    """raw = n r_i^2 h_ii with the hat matrix h, at the optimum."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=30)
    hat = x @ np.linalg.solve(x.T @ x, x.T)
    residual = y - hat @ y
    model = nn.Linear(4, 1, bias=False).double()
    model.weight.data = torch.from_numpy(np.linalg.lstsq(x, y, rcond=None)[0])[None]
    points = LabelledPoints(torch.from_numpy(x), torch.from_numpy(y))
    raw = GaussNewton(model, points, 1e-14, half_square, 0).influences(points)
    assert raw == pytest.approx(30 * residual**2 * np.diag(hat), rel=1e-8)


def classifier(kind="softmax", points=60, seed=0):
    torch.manual_seed(seed)
    inputs, labels = torch.randn(points, 6).double(), torch.randint(0, 4, (points,))
    hidden = [nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)]
    model = nn.Sequential(*hidden) if kind == "network" else nn.Sequential(nn.Linear(6, 4))
    return model.double(), LabelledPoints(inputs, labels)


@pytest.mark.parametrize("kind", ["softmax", "network"])
def test_conjugate_gradients_agree_with_the_factorisation(kind, monkeypatch):
    model, points = classifier(kind)
    monkeypatch.setattr(curvature, "CG_TOLERANCE", 1e-10)
    dense = GaussNewton(model, points, 0.1, curvature.mean_cross_entropy, 0)
    expected = dense.influences(points)
    monkeypatch.setattr(curvature, "MAX_DENSE_PARAMETERS", 1)
    found = GaussNewton(model, points, 0.1, curvature.mean_cross_entropy, 0)
    found.shift = dense.shift  # the mean of the diagonal is an estimate there
    assert found.influences(points) == pytest.approx(expected, rel=1e-6)
    assert found.unconverged == 0 and 0 < found.residual < 1e-9
    estimate = found._mean_diagonal(0)
    assert estimate == pytest.approx(dense.shift / 0.1, rel=0.3)


def test_products_agree_with_an_independent_library():
    library = pytest.importorskip("curvlinops")
    model, points = classifier("network")
    operator = library.GGNLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), [(points.inputs, points.labels)]
    )
    own = GaussNewton(model, points, 0.1, curvature.mean_cross_entropy, 0)
    vector = torch.randn(own.size).double()
    expected = (operator @ vector).numpy()
    assert own.product(vector.numpy()) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert own.matrix() @ vector.numpy() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def fitted(model, points, without=None, decay=0.01):
    """The optimum of the regularised loss, found by Newton's method of torch."""
    keep = torch.tensor([i for i in range(len(points)) if i != without])
    inputs, labels = points.inputs[keep], points.labels[keep]
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        loss = loss + decay / 2 * sum(p.square().sum() for p in model.parameters())
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


def test_influences_rank_points_as_retraining_without_them_does():
    """A logistic regression of 80 points: the rise of a point's own loss when it is left out."""
    model, points = classifier(points=80)
    fitted(model, points)
    loss = functional.cross_entropy(model(points.inputs), points.labels, reduction="none")
    rises = []
    for i in range(80):
        other, _ = classifier(points=80)
        fitted(other, points, without=i)
        alone = functional.cross_entropy(other(points.inputs[i : i + 1]), points.labels[i : i + 1])
        rises.append(float(alone.detach() - loss[i].detach()))
    whole = GaussNewton(model, points, 1, curvature.mean_cross_entropy, 0)
    mean = whole.shift  # damping 1 is the mean of the diagonal
    exact = GaussNewton(model, points, 0.01 / mean, curvature.mean_cross_entropy, 0).influences(
        points
    )
    assert spearmanr(exact, rises).statistic >= 0.95
    assert 0.5 < np.median(exact / 80 / rises) < 1.1
    fisher = curvature.fisher(model, points, points, 0.1, curvature.mean_cross_entropy)
    assert spearmanr(fisher, rises).statistic >= 0.95


def test_the_last_layer_is_the_model_on_its_inputs():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 16, 3))
    points = LabelledPoints(torch.randn(100, 1, 6, 6), torch.randint(0, 3, (100,)))
    layer, seen = curvature.last_layer(model, points)
    assert torch.allclose(layer(seen.inputs).float(), model(points.inputs), atol=1e-5)
    frozen = nn.Sequential(*[m for m in model])
    for name, parameter in frozen.named_parameters():
        parameter.requires_grad_(name.startswith("2."))
    raw = GaussNewton(layer, seen, 0.1, curvature.mean_cross_entropy, 0).influences(seen)
    same = GaussNewton(frozen, points, 0.1, curvature.mean_cross_entropy, 0).influences(points)
    assert raw == pytest.approx(same, rel=1e-3)
    with pytest.raises(ValueError, match="ends in a linear layer"):
        curvature.last_layer(nn.Sequential(nn.Linear(36, 3), nn.ReLU()), points)


def test_solutions_that_do_not_converge_are_counted(monkeypatch):
    model, points = classifier("network")
    monkeypatch.setattr(curvature, "MAX_DENSE_PARAMETERS", 1)
    monkeypatch.setattr(curvature, "MAX_CG_STEPS", 1)
    found = GaussNewton(model, points, 1e-9, curvature.mean_cross_entropy, 0)
    found.influences(part(points, [0, 1, 2]))
    assert found.unconverged == 3 and found.residual > curvature.CG_TOLERANCE
    with pytest.warns(UserWarning, match=r"3 systems have not converged .* residual is \d"):
        curvature.warn_unconverged(found)


# -- weights -------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(1, 50))
def test_weights_have_mean_one_and_a_largest_value(raw, cap):
    ids = np.arange(len(raw))
    found, _ = weights_of(np.array(raw), cap, ids)
    assert found.mean() == pytest.approx(1, abs=1e-6)
    assert found.max() <= cap * (1 + 1e-9) and found.min() >= 0
    again, _ = weights_of(1e3 * np.array(raw), cap, ids)
    assert again == pytest.approx(found, rel=1e-6)
    order = np.argsort(raw, kind="stable")
    assert (np.diff(found[order]) >= -1e-9).all()


def test_capping_is_what_repeated_cutting_and_scaling_tends_to():
    raw = np.random.default_rng(0).lognormal(0, 3, 200)
    expected = raw / raw.mean()
    for _ in range(2000):
        expected = np.minimum(expected, 10)
        expected = expected / expected.mean()
    assert weights_of(raw, 10, np.arange(200))[0] == pytest.approx(expected, rel=1e-9)
    assert weights_of(np.ones(7), None, np.arange(7))[0] == pytest.approx(np.ones(7))
    assert weights_of(np.array([5.0]), 10, np.arange(1))[0] == [1]


def test_just_enough_points_below_the_cap():
    random = np.random.default_rng(0)
    for _ in range(500):
        count = int(random.integers(1, 8))
        raw = np.zeros(10 * count)
        raw[:count] = random.uniform(0, 1, count)
        found, _ = weights_of(raw, 10, np.arange(len(raw)))
        assert np.isfinite(found).all() and found.mean() == pytest.approx(1, abs=1e-6)


def test_odd_influences():
    ids = np.array([7, 8, 9])
    for nothing in (np.zeros(3), np.full(3, np.nan), np.full(3, np.inf)):
        found, note = weights_of(nothing, 10, ids)
        assert (found == 1).all() and "all weights are 1" in note
    assert (weights_of(np.array([1.0, -1e-9, 3.0]), None, ids)[0] >= 0).all()
    with pytest.raises(ValueError, match="point 8 is nan"):
        weights_of(np.array([1.0, np.nan, 3.0]), 10, ids)
    with pytest.raises(ValueError, match=r"point 9 is -0\.5, below 0"):
        weights_of(np.array([1.0, 0.0, -0.5]), 10, ids)
    found, note = weights_of(np.eye(100)[0], 10, np.arange(100))
    assert found.max() <= 10 and found.min() > 0 and "get a little" in note
