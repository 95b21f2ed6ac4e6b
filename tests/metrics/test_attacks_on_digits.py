"""The attacks on small real models: what was kept is found, and what was retrained passes."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from unlearn.metrics.loss_threshold import threshold_attack
from unlearn.metrics.margins import label_probabilities, margins
from unlearn.metrics.membership import matched_rows, roc_auc
from unlearn.metrics.rmia import rmia_scores
from unlearn.metrics.ulira import ulira

N_TRAIN = 500
N_FORGET = 60
N_MODELS = 16
WIDTH = 300


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return images[order] / 16, labels[order]


def fleet_logits(digits, train_ids, seeds):
    """Logits of all points under ridge regressions on random features, one model a seed."""
    images, labels = digits
    targets = np.eye(10)[labels]
    models = []
    for seed in seeds:
        weights = np.random.default_rng(seed).normal(size=(images.shape[1], WIDTH)) / 8
        features = np.maximum(images @ weights, 0)
        gram = features[train_ids].T @ features[train_ids] + 1e-3 * np.eye(WIDTH)
        solution = np.linalg.solve(gram, features[train_ids].T @ targets[train_ids])
        models.append(10 * features @ solution)
    return np.stack(models)


@pytest.fixture(scope="module")
def fleets(digits):
    """Originals, and two independent halves of the models that never saw the first points."""
    train_ids = np.arange(N_TRAIN)
    retain_ids = np.arange(N_FORGET, N_TRAIN)
    seeds = np.arange(N_MODELS)
    return {
        "original": fleet_logits(digits, train_ids, seeds),
        "reference": fleet_logits(digits, retain_ids, 100 + seeds),
        "floor": fleet_logits(digits, retain_ids, 200 + seeds),
    }


def test_ulira_finds_what_was_kept_and_passes_what_was_retrained(digits, fleets):
    labels = digits[1][:N_FORGET]
    of_forget = {name: margins(fleet[:, :N_FORGET], labels) for name, fleet in fleets.items()}
    kept = ulira(of_forget["original"], of_forget["reference"], seed=0)
    floor = ulira(of_forget["floor"], of_forget["reference"], seed=0)
    assert kept.auc.value > 0.75 and kept.auc.low > 0.7
    assert kept.point_aucs.mean() > 0.75
    assert floor.auc.low < 0.5 < floor.auc.high
    assert floor.auc.value == pytest.approx(0.5, abs=0.05)


def test_rmia_with_four_references_finds_what_was_kept(digits, fleets):
    labels = digits[1]
    probabilities = {name: label_probabilities(f, labels) for name, f in fleets.items()}
    test = slice(N_TRAIN, 1100)
    population = slice(1100, None)
    references = probabilities["reference"][:4]
    nonmembers = N_TRAIN + matched_rows(labels[:N_FORGET], labels[test], seed=0)
    assert len(nonmembers) >= N_FORGET
    areas = {}
    for name in ("original", "floor"):
        target = probabilities[name]
        scores = [
            rmia_scores(
                target[:, points],
                references[:, points],
                target[:, population],
                references[:, population],
                0.3,
            )
            for points in (np.arange(N_FORGET), nonmembers)
        ]
        areas[name] = np.mean([roc_auc(*pair).value for pair in zip(*scores, strict=True)])
    assert areas["original"] > areas["floor"] + 0.1
    assert areas["floor"] == pytest.approx(0.5, abs=0.1)


def test_the_loss_attack_finds_what_was_kept(digits, fleets):
    labels = digits[1]
    accuracies = {}
    for name in ("original", "floor"):
        scores = margins(fleets[name], labels)
        accuracies[name] = np.mean(
            [
                threshold_attack(
                    model[:N_FORGET], model[N_FORGET:N_TRAIN], model[N_TRAIN:], seed=0
                ).balanced_accuracy.value
                for model in scores
            ]
        )
    assert accuracies["original"] > accuracies["floor"] + 0.1
