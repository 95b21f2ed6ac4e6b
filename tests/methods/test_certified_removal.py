"""Certified removal: the step, its bounds, the budget, the certificate and what is refused."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from tests.support.certified import (
    DECAY,
    WEIGHT,
    perturbed_gradient,
    perturbed_loss,
    removal_task,
    term_of,
    threes_and_eights,
)
from tests.support.conformance import checksum, instance
from tests.support.jobs import build, job, raw_data
from tests.support.streams import deletions, served_steps
from tests.support.study import load
from unlearn.algorithms.certified.objective_perturbation import MAX_GRADIENT, minimum
from unlearn.algorithms.certified.point_losses import PointLoss
from unlearn.algorithms.certified.privacy_loss import log_volume_change, privacy_loss
from unlearn.algorithms.certified.removal import newton_removal, removal_bounds, residual_norms
from unlearn.algorithms.certified.removal_ledger import removal_budget
from unlearn.algorithms.certified.summed_loss import SummedLoss
from unlearn.certificates.privacy import delta_of
from unlearn.certificates.record import Certificate, check
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.methods.certified_removal import CertifiedRemoval
from unlearn.requests.request import addition
from unlearn.study.load import StudyError
from unlearn.training.state import Overlay

UNLIMITED = 1e8
"""An epsilon whose budget is never spent."""

QUADRATIC = PointLoss(
    value=lambda scores, signs: (scores - signs).square() / 2,
    slope=lambda scores, signs: scores - signs,
    curvature=lambda scores, signs: torch.ones_like(scores),
    curvature_slope=lambda scores, signs: torch.zeros_like(scores),
    lipschitz=0.0,
    max_curvature_slope=0.0,
)


@cache
def trained_state(sigma=1.0):
    """A model of the 3s and 8s; to be left as it is."""
    task = removal_task(threes_and_eights(), sigma)
    return task.trainer.train(task, threes_and_eights().base_ids, 0)


def first_step(data, *steps):
    request = deletions(*steps)
    return next(iter(request.steps(len(data.train_labels), data.base_ids)))


def update(method, ids, sigma=1.0, seed=0):
    """The update of a method that deletes some 3s and 8s, and the task."""
    data = threes_and_eights()
    task = removal_task(data, sigma)
    step = first_step(data, ids)
    return method.unlearn(task, trained_state(sigma), step, seed), task


def retained_ids(ids):
    return np.setdiff1d(threes_and_eights().base_ids, ids)


# -- the step --------------------------------------------------------------------------------------


def test_a_batch_is_one_newton_step_on_the_loss_of_the_rest():
    """By the Hessian that autograd gives, with the random term in the loss."""
    ids = threes_and_eights().base_ids[::7]
    change, task = update(instance("certified_removal", epsilon=UNLIMITED), ids)
    weights = torch.as_tensor(trained_state()[WEIGHT])
    kept = retained_ids(ids)

    term = term_of(task)

    def loss(vector):
        return perturbed_loss(task, kept, vector[None], term)

    gradient = perturbed_gradient(task, kept, weights, term)[0]
    hessian = torch.func.hessian(loss)(weights[0])
    expected = weights[0] - torch.linalg.solve(hessian, gradient)
    assert float((expected - weights[0]).norm()) > 0.1
    assert change.tensors[WEIGHT][0].numpy() == pytest.approx(expected.numpy(), abs=1e-8)


def test_one_step_comes_a_hundred_times_nearer_to_retraining():
    """With the same random term; as near as strong convexity says of the bound."""
    ids = threes_and_eights().base_ids[:5]
    change, task = update(instance("certified_removal", epsilon=UNLIMITED), ids)
    oracle = task.trainer.retrain(task, retained_ids(ids), 0)[WEIGHT]
    distance = float((change.tensors[WEIGHT] - oracle).norm())
    assert distance < 0.01 * float((torch.as_tensor(trained_state()[WEIGHT]) - oracle).norm())
    assert distance <= change.certificate.gap / (DECAY * len(retained_ids(ids)))


@pytest.mark.parametrize("bound", ["paper", "taylor"])
def test_a_bound_is_that_of_its_formula(bound, digits):
    """With the largest singular value of all first inputs, for each of ten classifiers alone."""
    task = removal_task(digits)
    state = task.trainer.train(task, digits.base_ids, 0)
    request = deletions(digits.base_ids[:4], digits.base_ids[4:9])
    method = instance("certified_removal", bound=bound, epsilon=UNLIMITED)
    states, _ = served_steps(method, task, state, request)
    rows = task.data.images(digits.base_ids).double().flatten(1).numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    norm = np.linalg.norm(rows, 2)
    weights = [np.asarray(s[WEIGHT]) for s in (state, *states)]
    for request_number, kept in enumerate((rows[4:], rows[9:])):
        for c in range(10):
            v = weights[request_number + 1][c] - weights[request_number][c]
            changes = kept @ v
            expected = norm * np.linalg.norm(v) * np.linalg.norm(changes) / 4
            if bound == "taylor":
                expected = norm * math.sqrt((changes**4).sum()) / (12 * math.sqrt(3))
            beta = states[-1]["removal/beta"][request_number, c]
            assert beta == pytest.approx(expected, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("bound", ["paper", "taylor"])
def test_the_bounds_of_a_hundred_removals_are_above_the_true_residual(bound):
    """After each of them; a third of the points is deleted, one by one."""
    data = threes_and_eights()
    task = removal_task(data, sigma=2.0)
    state = trained_state(2.0)
    ids = np.random.default_rng(0).permutation(data.base_ids)[:100]
    method = instance("certified_removal", bound=bound, epsilon=UNLIMITED)
    request = deletions(*[[point] for point in ids])
    states, meters = served_steps(method, task, state, request)
    true_norms = []
    for number, (later, meter) in enumerate(zip(states, meters, strict=True), start=1):
        weights = torch.as_tensor(np.asarray(later[WEIGHT]))
        gradient = perturbed_gradient(task, retained_ids(ids[:number]), weights, term_of(task))
        true_norms.append(float(gradient.norm()))
        total = float(later["removal/residual"][0] + later["removal/beta"].sum())
        assert true_norms[-1] <= total + MAX_GRADIENT
        assert meter.counts["residual_bound"] == pytest.approx(total, rel=1e-12)
        assert meter.counts["residual"] == pytest.approx(true_norms[-1], abs=1e-10)
        assert meter.counts["restarts"] == 0
    assert true_norms[-1] > 1e-4  # the residual is no rounding


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["paper", "taylor"])
def test_the_bounds_of_two_hundred_removals_from_mnist_hold(bound):
    data = build("mnist", raw_data("MNIST"), labels=[3, 8], pixels="symmetric", validation=0)
    task = removal_task(data, sigma=10.0, weight_decay=0.001)
    state = task.trainer.train(task, data.base_ids, 0)
    ids = np.random.default_rng(0).permutation(data.base_ids)[:200]
    method = instance("certified_removal", bound=bound, epsilon=UNLIMITED)
    _, meters = served_steps(method, task, state, deletions(*[[point] for point in ids]))
    for meter in meters:
        assert meter.counts["residual"] <= meter.counts["residual_bound"] + MAX_GRADIENT
    assert meters[-1].counts["residual"] > 1e-4


def test_a_quadratic_loss_is_left_without_a_residual():
    """Newton's step is exact; what the bounds add is rounding."""
    data = threes_and_eights()
    task = removal_task(data)
    ids = data.base_ids[::3]
    full, deleted, retained = (
        SummedLoss(task, part, QUADRATIC) for part in (data.base_ids, ids, retained_ids(ids))
    )
    term = term_of(task)
    weights = minimum(full, term)
    assert residual_norms(retained, term, weights).max() > 1
    removal = newton_removal(retained, deleted, weights)
    residual = residual_norms(retained, term, weights + removal.steps)
    assert residual.max() <= 1e-9
    for bound in ("paper", "taylor"):
        assert removal_bounds(bound, retained, removal, full.norm()).max() <= 1e-9


# -- the budget ------------------------------------------------------------------------------------


def test_budgets_hide_the_gradient_that_they_say():
    """The exact one by the two normal laws; the paper's by its tail bound, which is smaller."""
    for delta, exact, paper in ((1e-5, 2.6805, 2.0482), (1e-4, 3.1390, 2.2803)):
        budget = removal_budget("exact", 1.0, delta, 10.0)
        assert budget == pytest.approx(exact, abs=1e-4)
        assert delta_of(1.0, budget / 10.0) == pytest.approx(delta, rel=1e-9)
        assert removal_budget("paper", 1.0, delta, 10.0) == pytest.approx(paper, abs=1e-4)
    with pytest.raises(ValueError, match=r"epsilon: 1\.5 is not allowed with budget: paper"):
        CertifiedRemoval(budget="paper", epsilon=1.5)


def test_a_spent_budget_trains_again_with_a_fresh_random_term():
    """And the ledger starts again; the next restart takes a third term."""
    data = threes_and_eights()
    task = removal_task(data)
    groups = [data.base_ids[start : start + 40] for start in (0, 40, 80)]
    method = instance("certified_removal", epsilon=0.01)
    states, meters = served_steps(method, task, trained_state(), deletions(*groups))
    for restarts, (state, meter) in enumerate(zip(states, meters, strict=True), start=1):
        kept = data.base_ids[40 * restarts :]
        weights = torch.as_tensor(np.asarray(state[WEIGHT]))
        fresh = perturbed_gradient(task, kept, weights, term_of(task, 0, restarts))
        earlier = perturbed_gradient(task, kept, weights, term_of(task, 0, restarts - 1))
        assert float(fresh.norm()) < 1e-8
        assert float(earlier.norm()) > 1
        assert meter.counts["restarts"] == 1
        assert int(state["removal/restarts"]) == restarts
        assert state["removal/beta"].shape == (0, 1)
        assert state["removal/points"].tolist() == [len(kept)]
        assert float(state["removal/norm"]) == float(trained_state()["removal/norm"])


@pytest.mark.parametrize("budget", ["paper", "exact"])
def test_the_model_is_trained_again_once_the_sum_of_the_bounds_exceeds_the_budget(budget):
    """Neither before nor after; with the smaller bound all deletions are served by steps."""
    request = deletions(*[[point] for point in threes_and_eights().base_ids[:8]])
    limit = removal_budget(budget, 0.2, 1e-5, 1.0)

    def stream(**options):
        method = instance("certified_removal", **options)
        return served_steps(method, removal_task(threes_and_eights()), trained_state(), request)

    sums = [m.counts["residual_bound"] for m in stream(bound="paper", epsilon=UNLIMITED)[1]]
    served = sum(total <= limit for total in sums)
    assert 2 < served < 6
    _, meters = stream(bound="paper", epsilon=0.2, budget=budget)
    restarts = [meter.counts["restarts"] for meter in meters]
    assert restarts[: served + 1] == [0] * served + [1]
    bounds = [meter.counts["residual_bound"] for meter in meters]
    assert bounds[:served] == pytest.approx(sums[:served], rel=1e-9)
    assert max(bounds) <= limit
    _, meters = stream(bound="taylor", epsilon=0.2, budget=budget)
    assert not any(meter.counts["restarts"] for meter in meters)


def test_a_budget_below_what_training_leaves_is_refused():
    with pytest.raises(ValueError, match=r"epsilon: the budget .* is below the gradient"):
        update(instance("certified_removal", epsilon=1e-12, budget="paper"), [3], sigma=1e-4)


# -- the certificate -------------------------------------------------------------------------------


def test_the_certificate_follows_from_its_record(digits):
    """Of ten classifiers, after two requests: mu is the norm of their bounds over sigma."""
    task = removal_task(digits, sigma=3.0)
    state = task.trainer.train(task, digits.base_ids, 0)
    method = instance("certified_removal", epsilon=UNLIMITED, delta=1e-4)
    requests = deletions(digits.base_ids[:2], digits.base_ids[2:7])
    certificates = []
    for step in requests.steps(len(digits.train_labels), digits.base_ids):
        change = method.unlearn(task, state, step, 0)
        state = Overlay(state, change)
        certificates.append(change.certificate)
    for certificate in certificates:
        check(certificate)
        check(Certificate.from_json(certificate.to_json()))
        assert certificate.level == "approximate"
        assert "at the drawn noise" in certificate.reason
    last = certificates[-1]
    assert [(d.deleted_points, d.points) for d in last.ledger] == [(2, 160), (5, 158)]
    totals = state["removal/residual"] + state["removal/beta"].sum(0)
    assert last.mu == pytest.approx(np.linalg.norm(totals) / 3.0, rel=1e-12)
    assert delta_of(last.epsilon, last.mu) == pytest.approx(1e-4, rel=1e-6)
    assert 0 < certificates[0].epsilon < last.epsilon
    for change in ({"noise": 30.0}, {"ledger": last.ledger[:1]}, {"delta": 1e-3}):
        with pytest.raises(ValueError, match="is not allowed; the record gives"):
            check(replace(last, **change))


def test_after_a_retraining_the_certificate_starts_again():
    ids = threes_and_eights().base_ids[:60]
    change, _ = update(instance("certified_removal", epsilon=0.01), ids)
    check(change.certificate)
    assert change.certificate.ledger == ()
    assert change.certificate.epsilon == 0
    assert change.certificate.gap <= MAX_GRADIENT


def test_the_exact_privacy_loss_is_that_of_finite_differences():
    """The map from the noise to that of the reference, differentiated by training many times."""
    data = build("digits", labels=[3, 8], validation=0, subset=60)
    task = removal_task(data, weight_decay=0.02)
    ids = data.base_ids[:20]
    full, deleted, retained = (
        SummedLoss(task, part) for part in (data.base_ids, ids, data.base_ids[20:])
    )
    term = term_of(task)

    def removed(noise):
        weights = minimum(full, noise)
        return weights, weights + newton_removal(retained, deleted, weights).steps

    def reference_noise(noise):
        """b' = -gradient of the rest at the published weights."""
        return -retained.gradient(removed(noise)[1])

    width = 1e-3
    columns = []
    for unit in torch.eye(64, dtype=torch.float64):
        change = width * unit[None]
        near = reference_noise(term + change) - reference_noise(term - change)
        far = reference_noise(term + 2 * change) - reference_noise(term - 2 * change)
        columns.append((8 * near - far)[0] / (12 * width))
    numeric = float(torch.linalg.slogdet(torch.stack(columns, 1)).logabsdet)
    weights, published = removed(term)
    volume = log_volume_change(full, retained, weights)
    assert abs(volume) > 1e-3
    assert volume == pytest.approx(numeric, abs=1e-6)
    residual = retained.gradient(published) + term
    loss = privacy_loss(term, residual, 1.0, volume)
    squares = reference_noise(term).square().sum() - term.square().sum()
    assert loss == pytest.approx(float(squares) / 2 - numeric, abs=1e-6)


# -- what is refused, and what a job keeps ---------------------------------------------------------


def test_points_cannot_be_added(digits):
    task = removal_task(digits)
    state = task.trainer.train(task, digits.base_ids, 0)
    method = instance("certified_removal")
    request = addition(digits.held_out_ids[:3])
    step = next(iter(request.steps(len(digits.train_labels), digits.base_ids)))
    with pytest.raises(ValueError, match="cannot add points; allowed: deletions"):
        method.unlearn(task, state, step, 0)


def test_the_last_points_cannot_be_deleted():
    with pytest.raises(ValueError, match="no training data left"):
        update(instance("certified_removal"), threes_and_eights().base_ids)


@pytest.mark.parametrize("change", ["seed", "sigma", "weights", "weight_decay"])
def test_a_model_of_another_training_is_refused(change):
    """Whose true residual would exceed the bound."""
    data = threes_and_eights()
    state = dict(trained_state())
    if change == "weights":
        state[WEIGHT] = 1.5 * state[WEIGHT]
    sigma = 1.1 if change == "sigma" else 1.0
    task = removal_task(data, sigma, **({"weight_decay": 0.02} if change == "weight_decay" else {}))
    method = instance("certified_removal", epsilon=UNLIMITED)
    with pytest.raises(ValueError, match="residual: the true gradient exceeds its bound"):
        method.unlearn(task, state, first_step(data, [5]), 1 if change == "seed" else 0)


def test_an_empty_step_keeps_the_model_and_its_certificate():
    change, task = update(instance("certified_removal"), [])
    assert checksum(Overlay(trained_state(), change)) == checksum(trained_state())
    assert change.certificate.ledger == ()
    assert task.meter.gradient_evaluations == 0


@pytest.mark.parametrize("epsilon", [0.01, UNLIMITED])
def test_the_same_seed_gives_the_same_bytes(epsilon):
    """And global random numbers are left alone; a retraining depends on the seed."""
    data = threes_and_eights()
    method = instance("certified_removal", epsilon=epsilon)
    step = first_step(data, data.base_ids[:30])
    task = removal_task(data)
    sums = []
    for number in range(2):
        trained = trained_state()
        torch.manual_seed(number)
        np.random.seed(number)
        states = (torch.random.get_rng_state(), np.random.get_state()[1].copy())
        change = method.unlearn(task, trained, step, 0)
        assert torch.equal(torch.random.get_rng_state(), states[0])
        assert np.array_equal(np.random.get_state()[1], states[1])
        sums.append(checksum(Overlay(trained_state(), change)))
    assert sums[0] == sums[1]


def test_a_step_costs_the_gradients_of_its_points_a_hessian_and_two_passes():
    """The gradients of the rest stand for the pass that gives the curvatures."""
    _, task = update(instance("certified_removal", epsilon=UNLIMITED), range(15))
    points, weights = 270, 64
    assert task.meter.gradient_evaluations == points + 15
    assert task.meter.forward_evaluations == points
    flops = (points + 15) * 4 * weights + points * 2 * weights
    assert task.meter.flops == flops + 2 * points * weights**2 + weights**3 // 3
    assert task.meter.optimizer_steps == 0


def test_a_job_keeps_the_claims_beside_the_costs():
    data = threes_and_eights()
    described = job(
        "bounded_logistic", seeds=(0, 4), method="certified_removal", weight_decay=DECAY
    )
    trained = train_fleet(data, replace(described, method=None)).states
    result = unlearn_fleet(data, described, trained, deletions([1], [2, 3]))
    for costs, records in zip(result.costs, result.certificates, strict=True):
        for cost, record in zip(costs, records, strict=True):
            certificate = Certificate.from_json(record)
            check(certificate)
            assert cost["certified_epsilon"] == certificate.epsilon <= 1
            assert cost["gap_bound"] == certificate.gap == cost["residual_bound"]
            assert 0 < cost["residual"] < cost["residual_bound"]
            assert cost["restarts"] == 0


def test_a_study_that_adds_points_is_refused():
    request = {"name": "held_out", "rate": 0.1}

    def change(config, experiment):
        config["datasets"]["digits"]["held_out"] = 0.2
        experiment.update(method="certified_removal", model="bounded_logistic", request=request)

    with pytest.raises(StudyError, match="certified_removal"):
        load(change)
