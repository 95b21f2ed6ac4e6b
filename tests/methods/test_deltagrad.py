"""DeltaGrad: retraining where every step is exact, close to it and cheap where few are."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.deltagrad import FULL, Run, deltagrad_job, distance
from tests.support.jobs import build, raw_data
from tests.support.streams import deletions
from unlearn.algorithms.deltagrad.replay import Schedule, Stack, replay_of
from unlearn.core import seeding
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.loop import fit, predict

pytestmark = pytest.mark.filterwarnings("ignore:(batch_size|burn_in|lr|overflow)")


def minibatch(data, iteration, **recipe):
    recipe = new_task(data, deltagrad_job(**recipe)).recipe
    mask = np.isin(np.arange(len(data.train_labels)), data.base_ids)
    return Schedule(len(mask), recipe, 0).minibatch(iteration, mask)[0]


REQUESTS = {
    "one": lambda data: deletions(data.base_ids[:1]),
    "many": lambda data: deletions(data.base_ids[::3]),
    "a minibatch": lambda data: deletions(minibatch(data, 5)),
    "the last, partial minibatch": lambda data: deletions(minibatch(data, 3)),
    "all but one of a minibatch": lambda data: deletions(minibatch(data, 0)[1:]),
    "a class": lambda data: deletions(data.base_ids[data.train_labels[data.base_ids] == 3]),
    "additions": lambda data: Request([NO_IDS], [data.held_out_ids]),
    "both": lambda data: Request([data.base_ids[30:50]], [data.held_out_ids[3:9]]),
    "a stream": lambda data: Request(
        [data.base_ids[5:9], NO_IDS, data.base_ids[40:60], minibatch(data, 7)[:1]],
        [NO_IDS, data.held_out_ids[:9], data.base_ids[5:7], NO_IDS],
    ),
}


@pytest.mark.parametrize("mode", ["batch", "online"])
@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("name", REQUESTS)
def test_with_every_step_exact_it_is_retraining(digits, name, model, mode):
    run = Run(digits, model)
    request = REQUESTS[name](digits)
    states = run.unlearn(request, period=1, mode=mode)
    for state, right in zip(states, run.retrain(request), strict=True):
        assert distance(state, right) <= 1e-12
    assert distance(run.trained, right) > 1e-3


@pytest.mark.parametrize("mode", ["batch", "online"])
def test_what_comes_back_restores_the_model(digits, mode):
    """Also the first and the only points of a minibatch."""
    for ids in (digits.base_ids[:1], minibatch(digits, 5), digits.base_ids[::2]):
        run = Run(digits)
        there_and_back = Request([ids, NO_IDS], [NO_IDS, ids])
        assert distance(run.unlearn(there_and_back, period=1, mode=mode)[1], run.trained) <= 1e-12
        away = Request([NO_IDS, digits.held_out_ids[:5]], [digits.held_out_ids[:5], NO_IDS])
        assert distance(run.unlearn(away, period=1, mode=mode)[1], run.trained) <= 1e-12
    assert distance(run.unlearn(there_and_back, period=5)[1], run.trained) <= 1e-12


@pytest.mark.parametrize("cache", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["batch", "online"])
def test_nothing_asked_is_nothing_done(digits, cache, mode):
    run = Run(digits, trainer={"cache": cache})
    state = run.unlearn(deletions([]), mode=mode)[0]
    assert all(np.array_equal(state[n], run.trained[n]) for n in run.trained)
    assert run.meters[0].gradient_evaluations == 0


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_approximate_steps_stay_close(digits, name, model):
    """Closer than doing nothing, and finite when whole minibatches are gone."""
    run = Run(digits, model, **FULL)
    request = REQUESTS[name](digits)
    for mode in ("batch", "online"):
        state = run.unlearn(request, mode=mode)[-1]
        right = run.retrain(request)[-1]
        assert distance(state, right) < 0.5 * distance(run.trained, right)
        assert run.counts()["approximate_steps"] > 0


def test_longer_periods_are_cheaper_and_less_exact(digits):
    run = Run(digits, **FULL)
    request = deletions(digits.base_ids[:8])
    right = run.retrain(request)[0]
    errors = []
    costs = []
    for period in (1, 2, 5, 10):
        errors.append(distance(run.unlearn(request, period=period)[0], right))
        costs.append(run.meters[0].gradient_evaluations)
    assert errors == sorted(errors) and costs == sorted(costs, reverse=True)
    assert errors[0] <= 1e-12 < errors[1]


# -- counts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", ["deletion", "addition"])
@pytest.mark.parametrize(("period", "burn_in"), [(5, 10), (3, 2), (2, 7), (10, 40), (1, 0)])
def test_exact_gradients_are_those_of_the_schedule(digits, request_, period, burn_in):
    """j0 + ceil((T - j0) / T0), and no kept point is looked at between them."""
    run = Run(digits, **FULL)
    ids = digits.base_ids[:4] if request_ == "deletion" else digits.held_out_ids[:4]
    request = deletions(ids) if request_ == "deletion" else Request([NO_IDS], [ids])
    run.unlearn(request, period=period, burn_in=burn_in)
    exact = burn_in + -(-(40 - burn_in) // period)
    counts = run.counts()
    assert counts["exact_steps"] == exact
    assert counts.get("approximate_steps", 0) == 40 - exact
    whole = 160 + (0 if request_ == "deletion" else 4)
    assert run.meters[0].gradient_evaluations == exact * whole + (40 - exact) * 4
    assert run.meters[0].optimizer_steps == 40


def test_approximate_steps_see_changed_points_alone(digits):
    """Points that stay can be destroyed after the burn-in without being missed."""
    run = Run(digits, **FULL)
    batches = []
    gradient = Stack.gradient

    class Watched(Stack):
        def gradient(self, vector, ids):
            batches.append(ids)
            return gradient(self, vector, ids)

    replay_of(run.task, 0).stack.__class__ = Watched
    deleted_ids = digits.base_ids[:4]
    added_ids = digits.held_out_ids[:3]
    run.unlearn(Request([deleted_ids], [added_ids]), period=40, burn_in=6)
    retain_ids = np.setdiff1d(digits.base_ids, deleted_ids)
    assert [len(ids) for ids in batches if np.isin(retain_ids, ids).any()] == [156] * 7
    assert all(set(ids) <= {*deleted_ids, *added_ids} for ids in batches[21:])


def test_a_minibatch_that_loses_most_of_its_points_is_stepped_on_exactly(digits):
    run = Run(digits)
    run.unlearn(deletions(minibatch(digits, 30)[3:]), period=50, burn_in=4)
    counts = run.counts()
    assert counts["direct_steps"] >= 1
    assert sum(counts[n] for n in ("direct_steps", "approximate_steps", "exact_steps")) == 48


def test_an_empty_minibatch_has_no_step(digits):
    run = Run(digits)
    deleted_ids = minibatch(digits, 30)
    run.unlearn(deletions(deleted_ids), period=1)
    assert run.counts()["exact_steps"] == run.meters[0].optimizer_steps == 47
    run.retrain(deletions(deleted_ids))
    assert run.task.meter.optimizer_steps == 47


@pytest.mark.parametrize("period", [2, 5])
def test_without_convexity_pairs_are_fresh(digits, period):
    """Two exact steps in a row begin each period: j0 + 2 (T - j0) / (T0 + 1) of them."""
    run = Run(digits, "mlp", **FULL | {"epochs": 100})
    run.unlearn(deletions(digits.base_ids[:3]), period=period, burn_in=10, smoothness=1e9)
    counts = run.counts()
    expected = 10 + 2 * 90 / (period + 1)
    assert abs(counts["exact_steps"] - expected) <= 3
    assert counts["exact_steps"] + counts["approximate_steps"] == 100


def test_without_convexity_steep_products_are_not_believed(digits):
    run = Run(digits, "mlp", **FULL)
    right = run.retrain(deletions(digits.base_ids[:20]))[0]
    state = run.unlearn(deletions(digits.base_ids[:20]), smoothness=1e-6)[0]
    assert run.counts()["fallbacks"] > 0
    assert "approximate_steps" not in run.counts()
    assert distance(state, right) <= 1e-12


def test_without_convexity_it_starts_where_something_changed(digits):
    run = Run(digits, "mlp")
    last_ids = minibatch(digits, 3)
    first = next(t for t in range(48) if last_ids[0] in minibatch(digits, t))
    assert first == 3  # late in the first epoch
    run.unlearn(deletions(last_ids[:1]), period=1)
    assert run.counts()["exact_steps"] == 48 - first


# -- the pieces ------------------------------------------------------------------------------------


def test_minibatches_and_training_are_those_of_the_standard_trainer(digits):
    for model in ("logistic", "mlp"):
        run = Run(digits, model, schedule="cosine")
        network = run.task.new_model(seeding.derive(0, "initial weights"))
        seed = seeding.derive(0, "training")
        fit(run.task, network, digits.base_ids, run.task.recipe, seed)
        for name, tensor in network.state_dict().items():
            assert np.allclose(tensor, run.trained[name], atol=2e-5)


@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("levels", [16, 255])
def test_gradients_are_those_of_autograd(digits, model, levels):
    task = new_task(digits, deltagrad_job(model))
    task.data = dataclasses.replace(task.data, mean=(0.3,), std=(0.2,))
    network = task.new_model(3).double()
    stack = Stack(task.data, network)
    ids = np.array([5, 3, 9, 150])
    images = task.data.train_images[ids].permute(0, 3, 1, 2).double() / 255
    loss = functional.cross_entropy(
        network((images - 0.3) / 0.2), task.data.train_labels[ids], reduction="sum"
    )
    loss.backward()
    vector = stack.vector(network.state_dict())
    expected = stack.vector({n: p.grad for n, p in network.named_parameters()})
    assert torch.allclose(stack.gradient(vector, ids), expected, rtol=1e-11, atol=1e-12)
    back = stack.tensors(vector)
    assert all(torch.equal(back[n], t) for n, t in network.state_dict().items())
    pixels = torch.from_numpy(digits.test_images)
    logits = network((pixels.permute(0, 3, 1, 2).double() / 255 - 0.3) / 0.2)
    assert torch.allclose(stack.logits(vector, pixels), logits.float(), atol=1e-6)


def test_columns_follow_the_pixels_of_colour_images():
    folder = raw_data("cifar-10-batches-py")
    data = build("cifar10", folder, subset=40)
    task = new_task(data, deltagrad_job())
    network = task.new_model(1)
    stack = Stack(task.data, network)
    pixels = torch.from_numpy(data.test_images[:50])
    logits = stack.logits(stack.vector(network.state_dict()), pixels)
    assert torch.allclose(logits, predict(task, network, pixels), atol=1e-5)


def test_a_stream_of_deletions_drifts_little(digits):
    """Twenty deletions one by one, against retraining and against one batch of all."""
    ids = digits.base_ids[::8]
    for mode in ("batch", "online"):
        run = Run(digits, **FULL)
        states = run.unlearn(deletions(*ids[:, None]), mode=mode)
        right = run.retrain(deletions(ids))[0]
        batch = run.unlearn(deletions(ids))[0]
        assert distance(states[-1], right) < 0.1 * distance(run.trained, right)
        assert (distance(states[-1], batch) == 0) is (mode == "batch")


# -- on MNIST --------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["deletion", "addition"])
def test_mnist_reproduces_the_published_distances(change):
    """Half of MNIST, the published recipe: 0.1 and 1 % of the points, within a factor of 2."""
    part = {"subset": 30000, "held_out": 0.02, "retain_sample": 1, "validation": 0}
    data = build("mnist", raw_data("MNIST"), pixels="unit", **part)
    recipe = {"epochs": 32, "batch_size": 8192, "lr": 0.1, "weight_decay": 0.005}
    run = Run(data, **recipe)
    published = {0.001: (0.0044, 8e-5), 0.01: (0.0138, 2.8e-4)}
    for rate, (nothing, close) in published.items():
        pool = data.base_ids if change == "deletion" else data.held_out_ids
        ids = np.sort(seeding.shuffled(pool, 0)[: round(rate * 30000)])
        request = deletions(ids) if change == "deletion" else Request([NO_IDS], [ids])
        state = run.unlearn(request)[0]
        right = run.retrain(request)[0]
        assert nothing / 2 < distance(run.trained, right) < nothing * 2
        assert close / 2 < distance(state, right) < close * 2
        assert distance(state, right) <= 0.05 * distance(run.trained, right)
        assert run.counts()["exact_steps"] == 34
