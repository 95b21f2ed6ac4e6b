"""The push off the deleted points: its weights, its bound, and where it diverges."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.distillation import Run, distillation_job, same
from tests.support.jobs import job
from tests.support.streams import deletions
from unlearn.algorithms.influence import curvature, forget_weights
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.data import normalised

torch.set_num_threads(1)


def naive_job(**options):
    return job("mlp", method="naive_finetuning", options=options, epochs=8)


@pytest.fixture(scope="module")
def run(digits):
    return Run(digits)


@pytest.mark.parametrize("weights", ["uniform", "teacher_loss", "fisher", "hessian"])
def test_the_push_raises_the_loss_of_deleted_points(run, digits, weights):
    ids = digits.base_ids[::5]
    losses = []
    for beta in (0.0, 0.3, 3.0):
        state = run.unlearn(deletions(ids), weights=weights, beta=beta, epochs=6)[0]
        losses.append(run.loss(state, ids))
    assert losses[0] < losses[1] < losses[2]
    assert 0 < run.meters[0].counts["active_fraction"] <= 1


def test_weights_are_those_of_the_teacher(run, digits, monkeypatch):
    """Raw values against direct computation, point by point."""
    ids = digits.base_ids[::5]
    influences = []

    def recorded(raw, cap, ids, weights_of=forget_weights.weights_of):
        influences.append(raw)
        return weights_of(raw, cap, ids)

    monkeypatch.setattr(forget_weights, "weights_of", recorded)
    run.unlearn(deletions(ids), weights="teacher_loss")
    labels = torch.from_numpy(digits.train_labels[ids])
    network = run.task.model(run.trained).eval()
    images = normalised(run.task.data.train_images[torch.from_numpy(ids)], run.task.data)
    losses = functional.cross_entropy(network(images), labels, reduction="none").detach()
    assert influences[-1] == pytest.approx(losses.numpy(), rel=1e-4, abs=1e-6)
    run.unlearn(deletions(ids), weights="fisher", curvature_points=10_000, damping=0.3)
    retain_ids = np.setdiff1d(digits.base_ids, ids)

    def gradient(i):
        image = normalised(run.task.data.train_images[i : i + 1], run.task.data)
        loss = functional.cross_entropy(network(image), run.task.data.train_labels[i : i + 1])
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, network.parameters())])

    diagonal = torch.stack([gradient(i).square() for i in retain_ids]).double().mean(0)
    inverse = 1 / (diagonal + 0.3 * diagonal.mean())
    expected = [float((gradient(i).double() ** 2 * inverse).sum()) for i in ids]
    assert influences[-1] == pytest.approx(expected, rel=1e-3)
    spent = run.meters[0].gradient_evaluations
    run.unlearn(deletions(ids), weights="uniform")
    assert spent - run.meters[0].gradient_evaluations == len(ids) + len(retain_ids)


def test_systems_too_many_to_solve_are_refused(run, digits):
    with pytest.raises(ValueError, match=r"each of 32 deleted points; allowed: most_points: 31"):
        run.unlearn(
            deletions(digits.base_ids[::5]), weights="hessian", layers="all", most_points=31
        )
    with pytest.warns(UserWarning, match="not converged"):
        run.unlearn(
            deletions(digits.base_ids[:2]), weights="hessian", layers="all", damping=1e-9,
            curvature_points=5,
        )  # fmt: skip
    counts = run.meters[0].counts
    assert counts["unconverged_solves"] > 0 and counts["largest_residual"] > curvature.CG_TOLERANCE


def test_a_memorised_set_is_weighted_evenly(run, digits):
    certain = 1000.0 * functional.one_hot(torch.from_numpy(digits.train_labels), 10)
    trained = run.trained | {"cache/logits": certain}
    with pytest.warns(UserWarning, match="teacher_loss: no point has any influence"):
        state = run.unlearn(deletions(digits.base_ids[::5]), trained, weights="teacher_loss")[0]
    assert run.meters[0].counts["uniform_fallbacks"] == 1
    assert same(state, run.unlearn(deletions(digits.base_ids[::5]), trained, weights="uniform")[0])


def test_without_a_bound_divergence_is_a_result(digits):
    """The last weights that were finite, and a mark."""
    run = Run(digits)
    ids = digits.base_ids[::5]
    with pytest.warns(UserWarning, match="training has diverged"):
        state = run.unlearn(
            deletions(ids), weights="uniform", bounded=False, beta=1e30, lr=1e30, clip=1e30,
            epochs=20,
        )[0]  # fmt: skip
    assert run.meters[0].diverged
    assert all(np.isfinite(np.asarray(t)).all() for t in state.values())
    trained = train_fleet(digits, distillation_job()).states
    options = {"bounded": False, "beta": 1e30, "lr": 1e30, "clip": 1e30, "epochs": 20}
    with pytest.warns(UserWarning, match="diverged"):
        result = unlearn_fleet(digits, distillation_job(options=options), trained, deletions(ids))
    assert result.costs[0][0]["diverged"]
    chained = distillation_job(options=options | {"stream": "chained", "clip": None})
    later = Request([ids, NO_IDS], [NO_IDS, digits.held_out_ids[:5]])
    with pytest.warns(UserWarning, match="diverged"):
        result = unlearn_fleet(digits, chained, trained, later)
    assert [cost["diverged"] for cost in result.costs[0]] == [True, True]


def test_batch_normalisation_is_warned_of(digits):
    run = Run(digits)
    with pytest.warns(UserWarning, match="deleted points into the statistics"):
        run.unlearn(deletions(digits.base_ids[:9]), student="resnet9", size=2, epochs=1)


def naive(digits, trained, request, **options):
    return unlearn_fleet(digits, naive_job(**options), [trained], request)


def test_naive_finetuning_raises_the_loss_up_to_its_bound(run, digits):
    ids = digits.base_ids[::5]
    labels = torch.from_numpy(digits.train_labels[ids])
    rows = np.searchsorted(digits.evaluated_ids(deletions(ids)), ids)

    def loss(**change):
        logits = naive(digits, run.trained, deletions(ids), **change).logits[0, 0][rows]
        return float(functional.cross_entropy(torch.from_numpy(logits), labels))

    gentle = {"lr": 0.01}
    strong = {"lr": 0.05, "epochs": 30}
    assert loss(lr=1e-9) < loss(**gentle) < loss(**strong)
    assert loss(**strong) < loss(**strong, bounded=False)
    divergent = {"lr": 1e30, "clip": 1e30, "bounded": False, "epochs": 20}
    with pytest.warns(UserWarning, match="training has diverged"):
        costs = naive(digits, run.trained, deletions(ids, digits.base_ids[1:3]), **divergent).costs[
            0
        ]
    assert [cost["diverged"] for cost in costs] == [True, True]
    state = naive(digits, run.trained, deletions([]), **strong).states[0]
    assert all(np.array_equal(state[n][0], run.trained[n]) for n in state)
