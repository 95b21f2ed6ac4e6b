"""Random labels, saliency and soft thresholding, on small numbers and small networks."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, instance, ninth_ids
from unlearn.algorithms import charged_gradients, saliency
from unlearn.algorithms.relabelling import random_labels
from unlearn.algorithms.soft_thresholding import SparseChange, smallest, soft_threshold
from unlearn.core import seeding

POINTS = 20_000


# -- random labels


@pytest.mark.parametrize(("exclude_true", "share"), [(False, 0.1), (True, 0.0)])
def test_the_share_of_true_labels_is_that_of_chance(exclude_true, share):
    labels = np.arange(POINTS) % 10
    drawn = random_labels(labels, seeding.point_keys(3, np.arange(POINTS)), 10, exclude_true)
    deviation = np.sqrt(share * (1 - share) / POINTS)
    assert np.mean(drawn == labels) == pytest.approx(share, abs=3 * deviation)
    assert drawn.min() == 0 and drawn.max() == 9


def test_all_other_classes_are_as_likely():
    labels = np.full(POINTS, 4)
    drawn = random_labels(labels, seeding.point_keys(3, np.arange(POINTS)), 10, True)
    shares = np.bincount(drawn, minlength=10) / POINTS
    expected = np.where(np.arange(10) == 4, 0, 1 / 9)
    assert shares == pytest.approx(expected, abs=4 * np.sqrt(1 / 9 * 8 / 9 / POINTS))


def test_a_label_depends_on_its_point_alone():
    labels = np.arange(100) % 10
    keys = seeding.point_keys(3, np.arange(100))
    drawn = random_labels(labels, keys, 10, True)
    assert np.array_equal(random_labels(labels[::3], keys[::3], 10, True), drawn[::3])
    assert np.array_equal(labels, np.arange(100) % 10)


def test_a_single_class_has_no_other_label():
    keys = seeding.point_keys(3, np.arange(5))
    assert np.array_equal(random_labels(np.zeros(5, dtype=int), keys, 1, True), np.zeros(5))


# -- saliency


@pytest.mark.parametrize("model", ["cnn1", "resnet9"])
def test_gradients_are_summed_over_points_in_evaluation_mode(model, digits, monkeypatch):
    """In chunks that do not divide the points, too."""
    subject = Subject(instance("salun"), digits, model=model)
    trained = subject.trained()
    ids = ninth_ids(digits)
    task = subject.task()
    network = task.bare_model(trained).eval()
    loss = functional.cross_entropy(network(task.data.images(ids)), task.data.labels(ids))
    loss.backward()
    for chunk_points in (250, 7):
        monkeypatch.setattr(charged_gradients, "MAX_BATCH_POINTS", chunk_points)
        sums = saliency.gradient_sums(task, trained, ids)
        for name, parameter in network.named_parameters():
            expected = len(ids) * parameter.grad
            assert torch.allclose(sums[name].float(), expected, rtol=1e-4, atol=1e-5), name
    assert task.meter.gradient_evaluations == 2 * len(ids)
    assert task.meter.flops > 0


def test_masks_are_the_largest_of_all_tensors():
    sums = {"a": torch.tensor([[1.0, -5.0], [0.5, 2.0]]), "b": torch.tensor([-3.0, 0.1, 0.2])}
    masks = saliency.masks(sums, 3 / 7)
    assert masks["a"].tolist() == [[False, True], [False, True]]
    assert masks["b"].tolist() == [True, False, False]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.77, 1.0])
def test_the_density_of_masks_is_exact(share):
    """Where many gradients are the same, too."""
    torch.manual_seed(0)
    sums = {"a": torch.randn(30, 20).clamp_min(0), "b": torch.randn(55)}
    masks = saliency.masks(sums, share)
    assert sum(int(mask.sum()) for mask in masks.values()) == round(share * 655)
    least = min(sums[name].abs()[masks[name]].min() for name in sums if masks[name].any())
    most = max(
        (sums[name].abs()[~masks[name]].max() for name in sums if not masks[name].all()), default=0
    )
    assert least >= most


# -- soft thresholding


def test_the_change_is_thresholded_by_its_smallest_values():
    """The second smallest of 3, 1 and 0.5 is 1."""
    change = torch.tensor([3.0, -1.0, 0.5])
    threshold = smallest([change], 2)
    assert threshold == 1
    assert soft_threshold(change, threshold).tolist() == [2, 0, 0]
    assert soft_threshold(torch.tensor([-3.0]), threshold).tolist() == [-2]


def test_parameters_shrink_towards_the_reference_in_place():
    parameters = [torch.tensor([1.0, 2.0]), torch.tensor([[10.0]])]
    change = SparseChange(parameters)
    parameters[0] += torch.tensor([3.0, -1.0])
    parameters[1] += 0.5
    change.shrink(0)
    assert [p.tolist() for p in parameters] == [[4, 1], [[10.5]]]
    change.shrink(2)
    assert [p.tolist() for p in parameters] == [[3, 2], [[10]]]
