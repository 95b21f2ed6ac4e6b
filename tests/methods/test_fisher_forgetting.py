"""Fisher forgetting: how much noise every weight gets."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import job
from tests.support.streams import served, with_pixels
from unlearn.algorithms.fisher_noise import add_noise, variances
from unlearn.algorithms.importance import expected_squared_gradients
from unlearn.core import registry
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS


@pytest.fixture(scope="module")
def trained(digits):
    """A linear model of the standard trainer."""
    return Subject(instance("fisher_forgetting"), digits, model="logistic").trained()


def serve(digits, trained, step=None, seed=0, **options):
    subject = Subject(
        instance("fisher_forgetting", **options), digits, "fisher_forgetting", "logistic"
    )
    return subject.serve(trained, step=step, seed=seed)


def test_the_information_of_softmax_regression_is_its_closed_form(digits, trained):
    """The mean of p (1 - p) x^2, for the label and the input of a weight."""
    task = new_task(digits, job("logistic"))
    model = task.bare_model(trained).eval()
    ids = digits.base_ids[:50]
    information = expected_squared_gradients(task, model, ids)
    inputs = task.data.images(ids).double().flatten(1)
    probabilities = nn.functional.softmax(model(task.data.images(ids)).double(), 1)
    spread = probabilities * (1 - probabilities)
    weight, bias = information.values()
    assert torch.allclose(weight, spread.t() @ inputs.square() / 50, rtol=1e-3, atol=1e-9)
    assert torch.allclose(bias, spread.mean(0), rtol=1e-3, atol=1e-9)


def test_variances_by_hand():
    """Capped, averaged over input channels, larger for the last layer and normalisation."""
    network = nn.Sequential(
        nn.Conv2d(2, 1, 1), nn.BatchNorm2d(1), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)
    )
    information = {
        "0.weight": torch.tensor([0.01, 0.0]).double().view(1, 2, 1, 1),  # 100 and the cap
        "0.bias": torch.tensor([0.5]).double(),
        "1.weight": torch.tensor([0.25]).double(),
        "1.bias": torch.tensor([0.0]).double(),
        "2.weight": torch.tensor([[0.002], [0.5]]).double(),
        "2.bias": torch.tensor([1.0, 1.0]).double(),
        "4.weight": torch.tensor([[0.05, 0.001]]).double(),  # 20 and the cap of the last layer
        "4.bias": torch.tensor([0.0001]).double(),
    }
    scales = {
        name: scale.flatten().tolist() for name, scale in variances(network, information).items()
    }
    expected = {
        "0.weight": [550, 550],
        "0.bias": [2],
        "1.weight": [40],
        "1.bias": [10_000],
        "2.weight": [500, 2],
        "2.bias": [1, 1],
        "4.weight": [600, 600],
        "4.bias": [1000],
    }
    for name, values in expected.items():
        assert scales[name] == pytest.approx(values, rel=1e-4), name


def test_noise_has_the_variance_that_is_asked_for():
    """Over 1,000 draws, within a tenth."""
    layer = nn.Linear(3, 2)
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    scales = {
        "weight": torch.tensor([[1.0, 4.0, 9.0], [0.25, 100.0, 0.01]]).double(),
        "bias": torch.tensor([2.0, 0.0]).double(),
    }
    squares = {name: torch.zeros_like(scale) for name, scale in scales.items()}
    for seed in range(1000):
        layer.load_state_dict(before)
        add_noise(layer, scales, 0.5, seed)
        for name, parameter in layer.named_parameters():
            squares[name] += (parameter.detach().double() - before[name]).square() / 1000
    for name, scale in scales.items():
        ratio = squares[name][scale > 0] / (0.5 * scale[scale > 0])
        assert float(ratio.mean()) == pytest.approx(1, abs=0.1)
        assert ratio.min() > 0.8 and ratio.max() < 1.2
    assert float(squares["bias"][1]) == 0


def test_the_change_of_a_model_is_the_noise(digits, trained):
    """Of the retained points' information, by the seed of the member."""
    task = new_task(digits, job("logistic"))
    model = task.bare_model(trained).eval()
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    scales = variances(model, expected_squared_gradients(task, model, retained))
    state, _ = serve(digits, trained, request(digits, ids), alpha=1e-4)
    for name, scale in scales.items():
        noise = (state[name] - trained[name]) / (1e-4 * scale).sqrt().numpy()
        assert np.mean(noise) == pytest.approx(0, abs=4 / noise.size**0.5)
        assert np.std(noise) == pytest.approx(1, abs=3 / noise.size**0.5)


def test_the_seed_decides_the_noise(digits, trained):
    states = [serve(digits, trained, seed=seed)[0] for seed in (0, 0, 1)]
    assert checksum(states[0]) == checksum(states[1]) != checksum(states[2])


def test_alpha_0_is_the_original(digits, trained):
    state, _ = serve(digits, trained, alpha=0.0)
    assert checksum(state) == checksum(trained)


def test_it_does_not_read_the_deleted_points(digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(digits, trained)
    other, _ = serve(with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert checksum(state) == checksum(other)


def test_it_costs_one_gradient_for_every_retained_point_and_class(digits, trained):
    _, task = serve(digits, trained)
    retained = len(digits.base_ids) - len(ninth_ids(digits))
    assert task.meter.gradient_evaluations == 10 * retained
    _, idle_task = serve(digits, trained, request(digits, NO_IDS))
    assert idle_task.meter.gradient_evaluations == 0


def test_statistics_of_batch_normalisation_stay(digits):
    task = new_task(digits, job("resnet9", size={"width": 2}, epochs=1))
    before = task.trainer.train(task, digits.base_ids, 0)
    state = served(instance("fisher_forgetting"), task, before, ninth_step(digits))
    for name, value in before.items():
        is_weight = not ("running" in name or "tracked" in name)
        assert (not np.array_equal(value, state[name])) is is_weight


def test_no_point_left_is_refused(digits, trained):
    with pytest.raises(ValueError, match="no point is left"):
        serve(digits, trained, request(digits, digits.base_ids))
    with pytest.raises(ValueError, match="alpha: -1 is not allowed"):
        registry.find("methods", "fisher_forgetting")(alpha=-1)
