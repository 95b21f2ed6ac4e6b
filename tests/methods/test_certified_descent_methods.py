"""Langevin unlearning, Descent-to-Delete and rewinding: what they claim, and what they do."""

import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.certified_descent import (
    RECIPE,
    TRAINERS,
    certified_task,
    few_digits,
    updates,
    weights_of,
)
from tests.support.jobs import build, job, raw_data
from tests.support.streams import deletions
from unlearn.algorithms.certified import full_batch
from unlearn.certificates import chains, record
from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.constants import fastest_rate
from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.models.bounded_logistic import BoundedLogistic
from unlearn.requests.request import NO_IDS, Request
from unlearn.study.load import load_study
from unlearn.training.fleet import Member
from unlearn.training.meter import Meter
from unlearn.training.recipe import Recipe
from unlearn.training.state import Overlay

METHODS = tuple(TRAINERS)
CLASSES = ("two classes", "three classes")
OPTIONS = {"langevin": {"steps": 4}, "descent_to_delete": {"steps": 4}, "rewind": {}}
LEDGER = (Deletion(1, 90, 4), Deletion(7, 89, 4), Deletion(5, 82, 4))
"""The ledger of `stream` where four steps serve each request."""


def stream(data):
    """Four requests, of which one deletes nothing."""
    ids = data.base_ids
    return deletions(ids[:1], ids[3:10], [], ids[20:25])


def descent_of(data, ledger):
    """Learning by the recipe of the small models, then a ledger."""
    constants = full_batch.constants(data.description["classes"], RECIPE["weight_decay"])
    return Descent(constants, RECIPE["lr"], RECIPE["epochs"], tuple(ledger))


# -- what is learned ---------------------------------------------------------------------------


@pytest.mark.parametrize("classes", CLASSES)
def test_descent_is_that_of_autograd(classes):
    data = few_digits(classes)
    task = certified_task(data, "rewind", {"start_sd": 0.5, "keep": 7}, epochs=7)
    state = task.trainer.train(task, data.base_ids, 0)
    (name,) = task.trainer.compared(task)
    model = task.bare_model(state).double()
    with torch.no_grad():
        next(model.parameters()).copy_(state[f"checkpoint/{name}"])
    optimizer = torch.optim.SGD(model.parameters(), RECIPE["lr"], weight_decay=0.05)
    for _ in range(7):
        optimizer.zero_grad()
        logits = model(task.data.images(data.base_ids).double())
        functional.cross_entropy(logits, task.data.labels(data.base_ids)).backward()
        optimizer.step()
    expected = next(model.parameters()).detach().numpy()
    np.testing.assert_allclose(weights_of(task, state), expected, atol=1e-13)
    assert np.std(state[f"checkpoint/{name}"].numpy()) == pytest.approx(0.5, rel=0.25)


def test_noise_and_first_weights_have_their_standard_deviations():
    data = few_digits("three classes")
    quiet = certified_task(data, "descent_to_delete", {"start_sd": 0}, epochs=1)
    mean = weights_of(quiet, quiet.trainer.train(quiet, data.base_ids, 0))
    noises = []
    starts = []
    for seed in range(20):
        noisy = certified_task(data, "langevin", {"start_sd": 0, "sigma": 0.2}, epochs=1)
        state = noisy.trainer.train(noisy, data.base_ids, seed)
        noises.append(weights_of(noisy, state) - mean)
        noisy = certified_task(data, "langevin", {"sigma": 1e-9, "start_sd": None}, epochs=1)
        state = noisy.trainer.train(noisy, data.base_ids, seed)
        starts.append((weights_of(noisy, state) - mean) / 1e-9)
    assert np.std(noises) == pytest.approx(math.sqrt(2 * 3.0) * 0.2, rel=0.04)
    # one step of near zero weights: (1 - eta m) w plus the curvature, then noise sqrt(2 eta)
    assert np.std(starts) > math.sqrt(2 * 3.0)
    law = noisy.trainer.law(noisy.recipe)
    assert law.start_sd == pytest.approx(math.sqrt(2 / 0.05) * 1e-9, rel=1e-12)


def test_a_radius_holds_after_every_step():
    data = few_digits()
    for method in METHODS:
        task = certified_task(data, method, {"radius": 0.3})
        state = task.trainer.train(task, data.base_ids, 0)
        assert np.linalg.norm(weights_of(task, state)) == pytest.approx(0.3, rel=1e-12)


def test_a_fleet_is_charged_as_its_members_are():
    data = few_digits()
    task = certified_task(data, "langevin")
    task.trainer.train_many(task, [Member(seed) for seed in range(5)])
    fleet_meter = task.meter
    task.meter = Meter()
    task.trainer.train(task, data.base_ids, 0)
    assert task.meter.gradient_evaluations == 30 * 90 and task.meter.optimizer_steps == 30
    for count in ("gradient_evaluations", "optimizer_steps", "flops"):
        assert getattr(fleet_meter, count) == 5 * getattr(task.meter, count) > 0


# -- what is claimed ---------------------------------------------------------------------------


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("method", METHODS)
def test_shared_noise_keeps_the_reference_within_the_gap(method, classes):
    data = few_digits(classes)
    for seed in range(3):
        task = certified_task(data, method)
        claims, states = updates(task, method, stream(data), seed, **OPTIONS[method])
        options = OPTIONS[method] | {"start": "retrained"}
        no_claims, twins = updates(task, method, stream(data), seed, **options)
        for update, state, twin in zip(claims, states, twins, strict=True):
            gap = np.linalg.norm(weights_of(task, state) - weights_of(task, twin))
            assert 1e-4 * update.certificate.gap < gap <= update.certificate.gap
        assert all(update.certificate is None for update in no_claims)


@pytest.mark.parametrize("method", METHODS)
def test_certificates_follow_from_their_records(method):
    data = few_digits()
    task = certified_task(data, method)
    claims, _ = updates(task, method, stream(data), **OPTIONS[method])
    steps = 15 if method == "rewind" else 4
    ledger = [dataclasses.replace(entry, steps=steps) for entry in LEDGER]
    for update, requests in zip(claims, (1, 2, 2, 3), strict=True):
        certificate = update.certificate
        record.check(certificate)
        assert certificate.level == "certified" and certificate.rule == method
        assert certificate.ledger == tuple(ledger[:requests])
        assert (certificate.learning_steps, certificate.rate) == (30, 3.0)
        if method == "langevin":
            assert certificate.noise == task.trainer.sigma
        else:
            assert certificate.epsilon == pytest.approx(1, rel=1e-9)
    assert claims[1].certificate == claims[2].certificate


def test_the_gap_of_a_stream_is_that_of_its_recursion():
    """Single points one by one: what each moves a step by, and how steps contract."""
    data = few_digits()
    task = certified_task(data, "langevin")
    ids = data.base_ids[:4]
    claims, _ = updates(task, "langevin", deletions(*([i] for i in ids)), steps=2)
    gap = 0.0
    rho = 1 - 3.0 * 0.05
    for absent_points, points, steps in (
        (4, 90, 30),
        (3, 89, 2),
        (2, 88, 2),
        (1, 87, 2),
        (0, 86, 2),
    ):
        for _ in range(steps):
            gap = rho * gap + 2 * 3.0 * absent_points / points
    assert claims[-1].certificate.gap == pytest.approx(gap, rel=1e-12)


def test_the_steps_are_the_fewest_that_certify():
    data = few_digits()
    task = certified_task(data, "langevin", {"sigma": 0.1})
    claims, _ = updates(task, "langevin", stream(data), epsilon=0.7, delta=1e-4)
    ledger = claims[-1].certificate.ledger
    assert all(entry.steps > 0 for entry in ledger)
    for requests in (1, 2, 3):
        *past, last = ledger[:requests]
        epsilons = []
        for steps in (last.steps - 1, last.steps):
            descent = descent_of(data, [*past, dataclasses.replace(last, steps=steps)])
            mu = chains.langevin(descent, 0.1).mu
            epsilons.append(record.epsilon_of(mu, 1e-4))
        assert epsilons[1] <= 0.7 < epsilons[0]


def test_a_promise_out_of_reach_is_refused_before_any_work():
    data = few_digits()
    task = certified_task(data, "langevin", {"sigma": 1e-4})
    with pytest.raises(ValueError, match="steps: 20 do not reach the promised epsilon"):
        updates(task, "langevin", stream(data), max_steps=20)
    assert task.meter.gradient_evaluations == 0


def test_a_job_keeps_the_claims():
    data = few_digits()
    training = job("bounded_logistic", (0, 3), trainer={"kind": "descent"}, **RECIPE)
    options = {"steps": 4}
    serving = job("bounded_logistic", (0, 3), method="descent_to_delete", options=options, **RECIPE)
    trained = train_fleet(data, training).states
    result = unlearn_fleet(data, serving, trained, stream(data))
    for claims, costs in zip(result.certificates, result.costs, strict=True):
        for text, cost in zip(claims, costs, strict=True):
            certificate = record.Certificate.from_json(text)
            record.check(certificate)
            assert cost["certified_epsilon"] == certificate.epsilon
            assert cost["gap_bound"] == certificate.gap


# -- what is published, and what is kept -------------------------------------------------------


def test_descent_to_delete_goes_on_from_the_secret_state_with_fresh_noise():
    data = few_digits()
    task = certified_task(data, "descent_to_delete")
    (name,) = task.trainer.compared(task)
    claims, states = updates(task, "descent_to_delete", stream(data), steps=3)
    noises = [
        weights_of(task, state) - np.asarray(state[f"secret/{name}"])
        for state in (states[0], states[1], states[3])
    ]
    assert not np.allclose(noises[0] / noises[1], (noises[0] / noises[1])[0, 0])
    scaled = [
        noise / claims[step].certificate.noise
        for step, noise in zip((0, 1, 3), noises, strict=True)
    ]
    assert np.std(scaled) == pytest.approx(1, rel=0.15)
    trained = task.trainer.train(task, data.base_ids, 0)
    secret = np.asarray(states[0][f"secret/{name}"])
    assert np.linalg.norm(secret - weights_of(task, trained)) < 0.05
    assert np.array_equal(weights_of(task, states[1]), weights_of(task, states[2]))


def test_langevin_steps_draw_fresh_noise_for_each_request():
    data = few_digits()
    task = certified_task(data, "langevin", {"start_sd": 0})
    quiet = certified_task(data, "descent_to_delete", {"start_sd": 0})
    _, states = updates(task, "langevin", deletions(data.base_ids[:1], data.base_ids[1:2]), steps=1)
    learned = weights_of(task, task.trainer.train(task, data.base_ids, 0))
    noises = []
    for before, after in ((learned, states[0]), (weights_of(task, states[0]), states[1])):
        regression = quiet.cache.get("regression") or task.cache["regression"]
        points = len(data.base_ids) - len(noises) - 1
        shares = regression.shares(data.base_ids[-points:])[None]
        gradient = regression.gradient(before.reshape(1, -1), shares)
        step = 0.85 * before - 3.0 * gradient.reshape(before.shape)
        noises.append(weights_of(task, after) - step)
    sd = math.sqrt(2 * 3.0) * task.trainer.sigma
    assert np.std(noises) == pytest.approx(sd, rel=0.2)
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.4


def test_rewinding_to_the_start_is_retraining_and_needs_no_noise():
    data = few_digits()
    task = certified_task(data, "rewind", {"keep": 30})
    claims, states = updates(task, "rewind", deletions(data.base_ids[:9]))
    retrained = task.trainer.retrain(task, data.base_ids[9:], 0)
    assert np.array_equal(weights_of(task, states[0]), weights_of(task, retrained))
    certificate = claims[0].certificate
    assert (certificate.noise, certificate.gap, certificate.epsilon) == (0, 0, 0)


def test_rewinding_starts_every_request_at_the_checkpoint():
    data = few_digits()
    task = certified_task(data, "rewind", {"keep": 5})
    ids = data.base_ids
    _, states = updates(task, "rewind", deletions(ids[:4], ids[4:9]))
    claims, at_once = updates(task, "rewind", deletions(ids[:9]))
    published = [weights_of(task, state) for state in (states[1], at_once[0])]
    first, second = (
        task.trainer.train(task, ids, 0)[f"checkpoint/{name}"]
        for name in task.trainer.compared(task) * 2
    )
    assert torch.equal(first, second)
    # another request number draws other noise around the same weights
    assert np.linalg.norm(published[0] - published[1]) < 8 * 8 * claims[0].certificate.noise
    assert claims[0].certificate.gap == pytest.approx(
        0.85**5 * (1 - 0.85**25) / 0.15 * 2 * 3.0 * 9 / 90, rel=1e-12
    )


def test_the_reference_goes_on_from_learning_without_the_points():
    """With the noise of the request, as the method does from the trained model."""
    data = few_digits()
    task = certified_task(data, "langevin")
    request = deletions(data.base_ids[:9])
    _, states = updates(task, "langevin", request, start="retrained", steps=2)
    retrained = task.trainer.retrain(task, data.base_ids[9:], 0)
    (step,) = request.steps(len(data.train_labels), data.base_ids)
    method = registry.find("methods", "langevin")(steps=2)
    continued = Overlay(retrained, method.unlearn(task, retrained, step, 0))
    assert np.array_equal(weights_of(task, states[0]), weights_of(task, continued))


# -- what is refused ---------------------------------------------------------------------------

FACTS = DataFacts("digits", 2, (8, 8, 1), points=100, held_out=10)
PLAIN = {"momentum": 0.0, "schedule": "constant", "epochs": 30, "lr": 3.0, "weight_decay": 0.05}

REFUSALS = {
    "momentum": ({"momentum": 0.9}, "momentum: 0.9 is not allowed"),
    "nesterov": ({"momentum": 0.9, "nesterov": True}, "momentum"),
    "schedule": ({"schedule": "cosine"}, "schedule: cosine is not allowed"),
    "optimizer": ({"optimizer": "adam"}, "optimizer: adam is not allowed"),
    "augmentation": ({"flip": True}, "flip: True is not allowed"),
    "crop": ({"crop": 2}, "crop: 2 is not allowed"),
    "cutout": ({"cutout": 2}, "cutout: 2 is not allowed"),
    "mixup": ({"mixup": 0.2}, "mixup: 0.2 is not allowed"),
    "smoothing": ({"label_smoothing": 0.1}, "label_smoothing: 0.1 is not allowed"),
    "rate": ({"lr": 5.8}, r"lr: 5.8 is not allowed; allowed: at most 2 / \(L \+ m\) = 5.71429"),
}


@pytest.mark.parametrize("kind", TRAINERS.values())
@pytest.mark.parametrize("name", REFUSALS)
def test_recipes_without_proved_constants_are_refused(name, kind):
    changes, message = REFUSALS[name]
    trainer = registry.find("trainers", kind)()
    setting = Setting(FACTS, BoundedLogistic(), Recipe(**PLAIN), trainer)
    assert trainer.supports(setting) is None
    recipe = Recipe(**PLAIN | changes)
    reason = trainer.supports(dataclasses.replace(setting, recipe=recipe))
    assert re.match(message, reason)
    data = few_digits()
    task = new_task(data, job("bounded_logistic", trainer={"kind": kind}, **PLAIN | changes))
    with pytest.raises(ValueError, match=message):
        task.trainer.train(task, data.base_ids, 0)
    assert task.meter.gradient_evaluations == 0


@pytest.mark.parametrize("kind", TRAINERS.values())
def test_other_models_noise_and_precisions_are_refused(kind):
    trainer = registry.find("trainers", kind)()
    network = registry.find("models", "logistic")()
    setting = Setting(FACTS, network, Recipe(**PLAIN), trainer)
    assert "allowed: bounded_logistic" in trainer.supports(setting)
    noised = dataclasses.replace(FACTS, noised=0.5)
    setting = Setting(noised, BoundedLogistic(), Recipe(**PLAIN), trainer)
    assert trainer.supports(setting).startswith("noised: 0.5 is not allowed")
    described = job("bounded_logistic", trainer={"kind": kind}, precision="bfloat16", **PLAIN)
    task = new_task(few_digits(), described)
    with pytest.raises(ValueError, match="precision: bfloat16 is not allowed"):
        task.trainer.train(task, task.data.base_ids, 0)


def test_first_weights_and_checkpoints_that_cannot_be_are_refused():
    recipe = Recipe(**PLAIN | {"weight_decay": 0.0})
    trainer = registry.find("trainers", "langevin")()
    assert "needs start_sd" in trainer.supports(Setting(FACTS, BoundedLogistic(), recipe))
    with pytest.raises(ValueError, match="needs start_sd"):
        trainer.law(recipe)
    assert (
        registry.find("trainers", "langevin")(start_sd=1.0).supports(Setting(recipe=recipe)) is None
    )
    rewinding = registry.find("trainers", "rewind")(keep=31)
    assert rewinding.supports(Setting(recipe=recipe)).startswith("keep: 31 is not allowed")
    with pytest.raises(ValueError, match="keep: 31 is not allowed"):
        rewinding.law(recipe)


@pytest.mark.parametrize("method", METHODS)
def test_additions_and_the_deletion_of_all_points_are_refused(method):
    data = few_digits()
    for request, message in (
        (Request([NO_IDS], [data.held_out_ids[:2]]), "points are added"),
        (Request([data.base_ids[:1]], [data.held_out_ids[:2]]), "points are added"),
        (deletions(data.base_ids), "no training data left"),
    ):
        task = certified_task(data, method)
        with pytest.raises(ValueError, match=message):
            updates(task, method, request, **OPTIONS[method])


# -- studies -----------------------------------------------------------------------------------


def test_a_twin_descends_by_the_trainer_of_its_variant():
    """Also where an experiment has several trainers."""
    study = {
        "study": "twins",
        "recipes": {"plain": PLAIN},
        "datasets": {"two": {"name": "digits", "labels": [3, 8], "recipe": "plain"}},
        "experiments": {
            "noises": {
                "dataset": "two",
                "model": "bounded_logistic",
                "method": {"name": "langevin", "sigma": [0.1, 0.2]},
                "request": {"name": "random", "rate": 0.1},
                "figure": {"x": "variant", "y": "l2_twin/weights"},
            }
        },
    }
    plan = load_study(study)
    for name, references in plan.references.items():
        variant = plan.variants[name]
        twin = plan.variants[references["twin"]]
        assert twin.trainer == variant.trainer and twin.parameters["start"] == "retrained"
        assert (variant.guarantee.level, twin.guarantee.level) == ("certified", "exact")
    assert len({references["twin"] for references in plan.references.values()}) == 2


# -- published numbers -------------------------------------------------------------------------

TRIALS = 4
MNIST = {"epochs": 200, "weight_decay": 0.011982}
MNIST_CONSTANTS = full_batch.constants(2, 0.011982)


@pytest.fixture(scope="module")
def threes_and_eights():
    """MNIST 3 against 8, all points."""
    folder = raw_data("MNIST")
    options = {"labels": [3, 8], "pixels": "symmetric", "validation": 0}
    return build("mnist", folder, **options | {"retain_sample": 1})


def accuracy_after(data, task, method, deleted_points, **options):
    """Mean test accuracy of a few trials, and the last certificate."""
    component = registry.find("methods", method)(**options)
    states = task.trainer.train_many(task, [Member(seed) for seed in range(TRIALS)])
    step = next(deletions(data.base_ids[:deleted_points]).steps(11982, data.base_ids))
    pixels = torch.from_numpy(data.test_images)
    accuracies = []
    for seed, state in enumerate(states):
        update = component.unlearn(task, state, step, seed)
        logits = task.trainer.predict(task, update.tensors, pixels).numpy()
        accuracies.append((logits.argmax(1) == data.test_labels).mean())
    return np.mean(accuracies), update.certificate


@pytest.mark.parametrize(
    ("method", "trainer", "accuracy", "sd", "noise"),
    [
        ("langevin", {"sigma": 0.00465}, 0.9106, 0.0025, 0.00465),
        ("descent_to_delete", {}, 0.9106, 0.0034, 0.0411),
    ],
)
def test_accuracy_at_epsilon_1_is_that_of_a_hundred_trials(
    threes_and_eights, method, trainer, accuracy, sd, noise
):
    data = threes_and_eights
    rates = {"langevin": 1 / MNIST_CONSTANTS.smoothness.value}
    rate = rates.get(method, fastest_rate(MNIST_CONSTANTS))
    task = certified_task(data, method, trainer, lr=rate, **MNIST)
    mean, certificate = accuracy_after(data, task, method, 1, steps=1, delta=1 / 11982)
    assert certificate.noise == pytest.approx(noise, rel=2e-3)
    assert certificate.epsilon == pytest.approx(1, abs=2e-3)
    assert abs(mean - accuracy) < 3 * sd * math.sqrt(1 / TRIALS + 1 / 100)


def test_a_hundred_deletions_take_60_steps_of_noise(threes_and_eights):
    data = threes_and_eights
    rate = 1 / MNIST_CONSTANTS.smoothness.value
    task = certified_task(data, "langevin", {"sigma": 0.03}, lr=rate, **MNIST)
    mean, certificate = accuracy_after(data, task, "langevin", 100, delta=1 / 11982)
    assert certificate.ledger == (Deletion(100, 11982, 60),)
    assert certificate.gap == pytest.approx(0.084, abs=5e-4)
    assert abs(mean - 0.8987) < 3 * 0.0134 * math.sqrt(1 / TRIALS + 1 / 100)
