"""Weights of classes, pruning and rounding, steps of fine-tuning."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import task
from unlearn.algorithms.class_weights import class_weights, weighted_cross_entropy
from unlearn.algorithms.entropies import entropies, softened_divergence
from unlearn.algorithms.fine_tuning import fine_tuning_steps, steps_per_epoch
from unlearn.algorithms.pruning import replace_smallest, round_to_half


def test_an_absent_class_weighs_nothing_and_the_mean_over_points_is_1(digits):
    digits_task = task(digits)
    labels = digits.train_labels[digits.base_ids]
    ids = digits.base_ids[labels != 3]
    for power in (0.1, 1):
        weights = class_weights(digits_task, ids, power)
        assert weights[3] == 0 and torch.isfinite(weights).all()
        point_weights = weights[digits_task.data.labels(ids)]
        assert float(point_weights.mean()) == pytest.approx(1)
    totals = [float(point_weights[digits.train_labels[ids] == label].sum()) for label in (0, 1, 9)]
    assert totals == pytest.approx([totals[0]] * 3)
    assert not class_weights(digits_task, ids[:0], 1).any()


def test_losses_are_weighed_before_their_mean_is_taken():
    """Two points of one class weigh as much as the class says, whoever else is there."""
    logits = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
    labels = torch.tensor([0, 0])
    weights = torch.tensor([3.0, 1.0])
    loss = float(weighted_cross_entropy(logits, labels, weights))
    assert loss == pytest.approx(3 * np.log(1 + np.exp(2.0)))
    mixed = float(weighted_cross_entropy(logits, torch.tensor([0, 1]), weights))
    assert mixed == pytest.approx((3 * np.log(1 + np.exp(2.0)) + np.log(1 + np.exp(-2.0))) / 2)


def test_entropies_and_divergences_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]))
    assert entropies(logits).tolist() == pytest.approx([1.5 * np.log(2), np.log(3)])
    teacher, student = torch.tensor([[0.0, 2.0]]), torch.tensor([[2.0, 0.0]])
    expected = (np.e - 1) / (np.e + 1)  # sum of p ln(p / q) at temperature 2
    assert float(softened_divergence(teacher, student, 2.0)) == pytest.approx(expected)
    assert float(softened_divergence(teacher, teacher, 2.0)) == 0


def test_pruning_compares_all_layers_together():
    """A layer of small weights loses all of them; normalisation is left alone."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 5))
    with torch.no_grad():
        network[0].weight.fill_(1e-3)
        network[0].bias.fill_(2e-3)
        network[3].weight.fill_(1.0)
        network[3].bias.fill_(-2.0)
    masks = replace_smallest(network, 20 / 35, seed=0)
    assert {name: bool(mask.all()) for name, mask in masks.items()} == {
        "0.weight": True,
        "0.bias": True,
        "3.weight": False,
        "3.bias": False,
    }
    assert network[0].weight.abs().max() <= 1 / 3 and not network[0].bias.any()
    assert (network[3].weight == 1).all() and (network[1].weight == 1).all()


def test_rounding_gives_numbers_of_half_precision():
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    round_to_half(layer)
    assert torch.equal(layer.weight, before.half().float())
    assert layer.weight.dtype == torch.float32 and not torch.equal(layer.weight, before)


def test_steps_of_fine_tuning_are_the_minibatches_of_its_epochs(digits):
    digits_task = task(digits)
    ids = digits.base_ids[:100]
    assert steps_per_epoch(digits_task) == 7  # 200 points, 32 a minibatch
    expected = [
        batch.ids for epoch in range(2) for batch in digits_task.fine_tuning_batches(ids, 5, epoch)
    ]
    steps = list(fine_tuning_steps(digits_task, ids, 5, 14))
    assert [step for step, _ in steps] == list(range(14))
    assert all(
        np.array_equal(batch.ids, other) for (_, batch), other in zip(steps, expected, strict=True)
    )
    assert [step for step, _ in fine_tuning_steps(digits_task, ids, 5, 9)] == list(range(9))
