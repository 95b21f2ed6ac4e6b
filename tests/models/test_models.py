"""The architectures."""

import pytest
import torch

from tests.support.jobs import build
from tests.support.jobs import task as new_task
from unlearn.core import registry
from unlearn.training.state import state_of

NAMES = registry.names("models")


def network(kind, shape, classes=10, seed=0, **parameters):
    """A network whose initial weights are drawn by a seed."""
    torch.manual_seed(seed)
    return registry.find("models", kind)(**parameters).build(shape, classes)


def test_parameter_counts_of_the_architectures():
    def count(kind, shape, **parameters):
        return sum(p.numel() for p in network(kind, shape, **parameters).parameters())

    grey = (28, 28, 1)
    colour = (32, 32, 3)
    assert count("logistic", grey) == 7_850
    assert count("mlp", grey, hidden=128) == 101_770
    assert count("cnn1", grey, width=None) == 15_770
    assert count("cnn1", colour, width=None) == 41_418
    assert count("cnn2", grey, width=None) == 206_922
    assert count("cnn2", colour, width=None) == 545_098
    assert count("resnet18", colour) == 11_173_962


def test_bounded_logistic_sees_rows_of_norm_one_whatever_the_images():
    model = network("bounded_logistic", (8, 8, 1), classes=5).double()
    images = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    images[0] = 0
    rows = images.flatten(1)
    norms = rows.norm(dim=1, keepdim=True).clamp_min(1e-300)
    (weights,) = model.parameters()
    torch.testing.assert_close(model(images), rows / norms @ weights.t())
    torch.testing.assert_close(model(1000 * images), model(images))
    assert not model(images)[0].any()


def test_bounded_logistic_of_two_classes_is_binary_logistic_regression():
    model = network("bounded_logistic", (8, 8, 1), classes=2).double()
    images = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    (weights,) = model.parameters()
    assert weights.shape == (1, 64)
    scores = torch.nn.functional.normalize(images.flatten(1)) @ weights[0]
    expected = torch.log1p(torch.exp(-(2 * labels - 1) * scores)).mean()
    torch.testing.assert_close(torch.nn.functional.cross_entropy(model(images), labels), expected)


def test_the_architectures_are_those_of_the_files():
    expected = {"air", "bounded_logistic", "cnn1", "cnn2", "logistic", "mlp", "resnet18", "resnet9"}
    assert set(NAMES) == expected
    flat = {kind for kind in NAMES if registry.find("models", kind).flat}
    assert flat == {"bounded_logistic", "logistic", "mlp"}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3)])
def test_architectures_take_every_data_set(kind, shape):
    height, width, channels = shape
    model = network(kind, shape, 7)
    twin = network(kind, shape, 7)
    assert model(torch.zeros(2, channels, height, width)).shape == (2, 7)
    assert all(
        torch.equal(parameter, twin_parameter)
        for parameter, twin_parameter in zip(model.parameters(), twin.parameters(), strict=True)
    )


@pytest.mark.parametrize("kind", NAMES)
def test_initial_weights_are_a_function_of_the_seed(kind):
    """And building a network takes nothing from the random numbers of anybody else."""
    task = new_task(build("digits", subset=20), model=kind)
    torch.manual_seed(5)
    generator_state = torch.random.get_rng_state()
    state, repeated_state, other_state = (state_of(task.new_model(seed)) for seed in (1, 1, 2))
    assert torch.equal(generator_state, torch.random.get_rng_state())
    assert all(torch.equal(state[name], repeated_state[name]) for name in state)
    assert not all(torch.equal(state[name], other_state[name]) for name in state)


@pytest.mark.parametrize("kind", NAMES)
def test_a_size_is_the_parameter_of_that_name(kind):
    component = registry.find("models", kind)
    assert component.of_size(None) == component()
    if component.size_name is None:
        with pytest.raises(ValueError, match="size: 4 is not allowed"):
            component.of_size(4)
    else:
        assert component.of_size(4) == component(**{component.size_name: 4})
