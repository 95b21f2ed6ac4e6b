"""Logistic regression with a random linear term: its minimum, and what it keeps and refuses."""

import re

import numpy as np
import pytest
import torch

from tests.support.certified import (
    DECAY,
    WEIGHT,
    perturbed_gradient,
    removal_task,
    term_of,
    threes_and_eights,
)
from tests.support.conformance import checksum
from tests.support.study import load
from unlearn.algorithms.certified.objective_perturbation import MAX_GRADIENT, minimum
from unlearn.algorithms.certified.summed_loss import SummedLoss
from unlearn.core.setting import Setting
from unlearn.models.bounded_logistic import BoundedLogistic
from unlearn.models.logistic import Logistic
from unlearn.study.load import StudyError
from unlearn.trainers.removal import RemovalTrainer
from unlearn.training.recipe import Recipe


@pytest.mark.parametrize("classes", [2, 10])
def test_weights_minimise_the_loss_with_the_random_term(classes, digits):
    """By autograd of the network: one classifier for two classes, one against the rest for ten."""
    data = threes_and_eights() if classes == 2 else digits
    task = removal_task(data, sigma=2.0)
    state = task.trainer.train(task, data.base_ids, 3)
    assert state[WEIGHT].dtype == torch.float64
    assert state[WEIGHT].shape == (1 if classes == 2 else 10, 64)
    gradient = perturbed_gradient(task, data.base_ids, state[WEIGHT], term_of(task, seed=3))
    norms = gradient.norm(dim=1).numpy()
    assert (norms < 2 * MAX_GRADIENT).all()
    assert (state["removal/residual"] <= MAX_GRADIENT).all()
    assert state["removal/residual"] == pytest.approx(norms, abs=1e-12)
    unperturbed = perturbed_gradient(task, data.base_ids, state[WEIGHT], torch.zeros(1))
    assert float(unperturbed.norm()) > 10


def test_the_random_term_is_normal_and_a_function_of_the_seed(digits):
    task = removal_task(digits, sigma=3.0)
    terms = [term_of(task, seed) for seed in range(20)]
    draws = torch.stack(terms)
    assert float(draws.std()) == pytest.approx(3.0, rel=0.02)
    assert float(draws.mean()) == pytest.approx(0, abs=4 * 3.0 / draws.numel() ** 0.5)
    assert torch.equal(term_of(task, 0), terms[0])
    assert not torch.equal(terms[0], terms[1])
    assert not torch.equal(term_of(task, 0, restarts=1), terms[0])


def test_the_norm_of_the_inputs_is_their_largest_singular_value(digits):
    """Of rows of norm 1."""
    task = removal_task(digits)
    state = task.trainer.train(task, digits.base_ids, 0)
    rows = task.data.images(digits.base_ids).double().flatten(1).numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert float(state["removal/norm"]) == pytest.approx(np.linalg.norm(rows, 2), rel=1e-12)


def test_retraining_has_the_random_term_of_training(digits):
    task = removal_task(digits)
    retain_ids = digits.base_ids[5:]
    state = task.trainer.retrain(task, retain_ids, 0)
    assert list(state) == [WEIGHT]
    gradient = perturbed_gradient(task, retain_ids, state[WEIGHT], term_of(task, seed=0))
    assert float(gradient.norm()) < 1e-8


def test_epochs_rate_and_minibatches_do_not_matter(digits):
    sums = []
    for recipe in ({}, {"epochs": 9, "lr": 1.0, "batch_size": 7, "momentum": 0.0}):
        task = removal_task(digits, **recipe)
        sums.append(checksum(task.trainer.train(task, digits.base_ids, 0)))
    assert sums[0] == sums[1]


def test_steps_are_halved_where_a_whole_one_leads_astray():
    """Small decay and a large term: Newton's whole steps from zero diverge."""
    data = threes_and_eights()
    task = removal_task(data, sigma=5.0, weight_decay=1e-4)
    loss = SummedLoss(task, data.base_ids)
    term = term_of(task)
    weights = minimum(loss, term)
    assert float((loss.gradient(weights) + term).norm()) <= MAX_GRADIENT
    passes = task.meter.gradient_evaluations / len(data.base_ids)
    assert passes > 1 + task.meter.optimizer_steps


def test_every_hessian_is_charged(digits):
    """One product of n x d numbers for each weight, and a factor, of each open classifier."""
    task = removal_task(digits)
    task.trainer.retrain(task, digits.base_ids, 0)
    steps = task.meter.optimizer_steps
    points, weights, classifiers = len(digits.base_ids), 64, 10
    passes = task.meter.gradient_evaluations // points
    gradient_flops = passes * points * 4 * weights * classifiers
    hessian = 2 * points * weights**2 + weights**3 // 3
    hessians = (task.meter.flops - gradient_flops) / hessian
    assert hessians == int(hessians)
    assert (steps - 1) * classifiers < hessians <= steps * classifiers


@pytest.mark.parametrize("weight_decay", [1e-10, 1e-20])
def test_a_loss_without_a_minimum_is_refused(weight_decay, digits):
    task = removal_task(digits, weight_decay=weight_decay)
    with pytest.raises(ValueError, match="raise weight_decay"):
        task.trainer.train(task, digits.base_ids, 0)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"label_smoothing": 0.1}, "label_smoothing: 0.1 makes another loss; allowed: 0"),
        ({"mixup": 0.2}, "mixup: 0.2 makes another loss; allowed: 0"),
        ({"crop": 1}, "crop: 1 makes another loss; allowed: 0"),
        ({"flip": True}, "flip: True makes another loss; allowed: False"),
        ({"cutout": 2}, "cutout: 2 makes another loss; allowed: 0"),
        ({"weight_decay": 0.0}, "weight_decay: 0 .* not strongly convex; allowed: above 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_recipes_of_another_loss_are_refused(recipe, reason):
    model = BoundedLogistic()
    assert RemovalTrainer().supports(Setting(model=model, recipe=Recipe())) is None
    refusal = RemovalTrainer().supports(Setting(model=model, recipe=Recipe(**recipe)))
    assert re.search(reason, refusal)


def test_models_without_a_bound_on_their_inputs_are_refused():
    place = Setting(model=Logistic(), recipe=Recipe(weight_decay=DECAY))
    message = "the inputs of Logistic have no proved bound; allowed: bounded_logistic"
    assert RemovalTrainer().supports(place) == message
    with pytest.raises(StudyError, match="inputs of Mlp have no proved bound"):
        load(lambda _, experiment: experiment.update(method="certified_removal", model="mlp"))
