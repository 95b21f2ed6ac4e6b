"""Influence unlearning: the system that it solves, and where it holds."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import (
    Subject,
    checksum,
    facts,
    instance,
    ninth_ids,
    ninth_step,
    request,
)
from tests.support.jobs import job
from tests.support.streams import served, with_pixels
from tests.support.study import load
from unlearn.algorithms.influence import limits
from unlearn.algorithms.influence.gram import damped_solution
from unlearn.algorithms.influence.removal import removal_direction
from unlearn.algorithms.newton import ConjugateGradients, SoftmaxRegression
from unlearn.algorithms.weights import move
from unlearn.core import registry
from unlearn.core.setting import Setting
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS
from unlearn.study.load import StudyError

pytestmark = pytest.mark.filterwarnings("ignore:the gradient that training left")


@pytest.fixture(scope="module")
def trained(digits):
    """A linear model of the standard trainer."""
    return Subject(instance("iu"), digits, model="logistic").trained()


@pytest.fixture(scope="module")
def minimum(digits, trained):
    """The linear model at the minimum of its training loss, with weight decay 0.01."""
    task = decayed_task(digits)
    model = task.bare_model(trained)
    solver = ConjugateGradients(1e-10, 2000)
    for _ in range(8):
        loss = SoftmaxRegression(task, model, digits.base_ids, functional.cross_entropy, 0.01)
        move(model, loss.newton_step(solver).change)
    return {name: p.detach().float().numpy() for name, p in model.named_parameters()}


def decayed_task(digits):
    return new_task(digits, job("logistic", weight_decay=0.01))


def serve(digits, trained, step=None, seed=0, **options):
    subject = Subject(instance("iu", **options), digits, "iu", "logistic")
    return subject.serve(trained, step=step, seed=seed)


@pytest.mark.parametrize(("points", "weights"), [(9, 30), (30, 9), (1, 5)])
@pytest.mark.parametrize("damping", [1e-3, 0.5])
def test_the_gram_form_is_the_dense_solution(points, weights, damping, monkeypatch):
    monkeypatch.setattr("unlearn.algorithms.influence.gram.BLOCK_WEIGHTS", 4)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(points, weights, generator=generator, dtype=torch.float64)
    right = torch.randn(weights, generator=generator, dtype=torch.float64)
    matrix = rows.t() @ rows / points + damping * torch.eye(weights, dtype=torch.float64)
    expected = torch.linalg.solve(matrix, right)
    solution = damped_solution(rows, right, damping)
    assert torch.allclose(solution, expected, rtol=1e-10, atol=1e-10 * float(expected.norm()))


def test_of_ridge_regression_it_is_retraining():
    """With the exact Hessian over what is left, which a quadratic loss has everywhere."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(40, 6))
    targets = generator.normal(size=40)
    decay = 0.3

    def fitted(rows):
        matrix = inputs[rows].T @ inputs[rows] / len(rows) + decay * np.eye(6)
        return np.linalg.solve(matrix, inputs[rows].T @ targets[rows] / len(rows))

    def gradient(rows, weights):
        errors = inputs[rows] @ weights - targets[rows]
        return torch.from_numpy(inputs[rows].T @ errors / len(rows))

    forget, retain = np.arange(7), np.arange(7, 40)
    weights = fitted(np.arange(40))
    direction = removal_direction(gradient(forget, weights), gradient(retain, weights), 7 / 40)
    hessian = inputs[retain].T @ inputs[retain] / len(retain) + decay * np.eye(6)
    moved = weights + np.linalg.solve(hessian, direction.numpy())
    assert moved == pytest.approx(fitted(retain), abs=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_step_solves_the_damped_system(smoothing, digits, trained):
    """w + alpha (lambda + F)^-1 |D_f| / n (g_f - g_r), densely, from gradients of single points."""
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    task = new_task(digits, job("logistic", label_smoothing=smoothing))
    model = task.bare_model(trained).double()

    def gradients(points):
        rows = []
        for point in points:
            logits = model(task.data.images(np.array([point])).double())
            labels = task.data.labels(np.array([point]))
            loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
            parts = torch.autograd.grad(loss, list(model.parameters()))
            rows.append(torch.cat([part.flatten() for part in parts]))
        return torch.stack(rows)

    forget_rows, retain_rows = gradients(ids), gradients(retained)
    right = len(ids) / len(digits.base_ids) * (forget_rows.mean(0) - retain_rows.mean(0))
    fisher = retain_rows.t() @ retain_rows / len(retained)
    matrix = fisher + 0.3 * torch.eye(len(right), dtype=torch.float64)
    change = 2.0 * torch.linalg.solve(matrix, right)
    method = instance("iu", alpha=2.0, damping=0.3, curvature_points=1000)
    state = served(method, task, trained, request(digits, ids))
    sizes = [p.numel() for p in model.parameters()]
    names = [name for name, _ in model.named_parameters()]
    for name, part in zip(names, change.split(sizes), strict=True):
        expected = trained[name].ravel() + part.numpy()
        assert np.asarray(state[name]).ravel() == pytest.approx(expected, abs=1e-5)


def test_the_seed_draws_the_points_of_the_matrix(digits, trained):
    states = [serve(digits, trained, seed=seed, curvature_points=20)[0] for seed in (0, 0, 1)]
    assert checksum(states[0]) == checksum(states[1]) != checksum(states[2])
    whole_states = [serve(digits, trained, seed=seed)[0] for seed in (0, 1)]
    for name, value in whole_states[0].items():
        assert value == pytest.approx(whole_states[1][name], abs=1e-5)


def test_it_reads_the_deleted_points(digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(digits, trained)
    other, _ = serve(with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert checksum(state) != checksum(other)


@pytest.mark.parametrize("model", ["cnn1", "resnet9"])
def test_the_loss_of_the_deleted_points_rises_and_the_others_are_kept(model, digits):
    ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    subject = Subject(instance("iu", damping=0.3), digits, "iu", model)
    before = subject.trained()
    state, task = subject.serve(before, step=request(digits, ids))

    def loss(tensors, points):
        logits = task.trainer.predict(task, tensors, task.data.train_images[points])
        return float(functional.cross_entropy(logits, task.data.train_labels[points].cpu()))

    retained = np.setdiff1d(digits.base_ids, ids)
    assert loss(state, ids) > loss(before, ids) + 0.5
    assert loss(state, retained) < 1.0
    moved = [name for name in before if not np.array_equal(before[name], state[name])]
    assert not any("running" in name for name in moved)


def test_nothing_to_delete_changes_nothing_and_costs_nothing(digits, trained):
    state, task = serve(digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == task.meter.flops == 0


def test_a_length_of_zero_is_the_original(digits, trained):
    state, _ = serve(digits, trained, alpha=0.0)
    assert checksum(state) == checksum(trained)


def test_a_minimum_is_told_from_a_model_that_is_far_from_one(digits, trained, minimum):
    """By the gradient that training left, with its weight decay."""
    ratios = []
    for state in (minimum, trained):
        task = decayed_task(digits)
        served(instance("iu"), task, state, ninth_step(digits))
        ratios.append(task.meter.counts["nonstationarity"])
    assert ratios[0] < 1e-3
    assert ratios[1] > 1


def test_a_model_far_from_a_minimum_can_be_refused(digits, trained, minimum):
    method = instance("iu", max_nonstationarity=0.5)
    message = "max_nonstationarity: the gradient that training left is .* allowed: at most 0.5"
    with pytest.raises(ValueError, match=message):
        served(method, decayed_task(digits), trained, ninth_step(digits))
    served(method, decayed_task(digits), minimum, ninth_step(digits))


def test_a_model_far_from_a_minimum_is_warned_about(digits, trained):
    with pytest.warns(UserWarning, match="far from a stationary point"):
        serve(digits, trained)


def test_no_point_left_is_refused(digits, trained):
    with pytest.raises(ValueError, match="no point is left"):
        serve(digits, trained, request(digits, digits.base_ids))


def test_gradients_that_do_not_fit_into_memory_are_refused(digits, trained, monkeypatch):
    """In the plan where the architecture knows its weights, and before any work."""
    method = instance("iu", curvature_points=150)
    network = registry.find("models", "resnet18")()
    message = "curvature_points: 150 gradients of 11,.* take more than 4 GiB; allowed: 1 .. 9"
    assert method.supports(Setting(data=facts(digits), model=network)) is not None
    with pytest.raises(StudyError, match=message):
        load(
            lambda _, experiment: experiment.update(
                method={"name": "iu", "curvature_points": 150}, model="resnet18"
            )
        )
    monkeypatch.setattr(limits, "MAX_HELD_BYTES", 4 * 650 * 100)
    task = new_task(digits, job("logistic"))
    with pytest.raises(ValueError, match=r"150 gradients of 650 weights .* allowed: 1 \.\. 100"):
        served(method, task, trained, request(digits, digits.base_ids[:5]))
    assert task.meter.gradient_evaluations == 0
