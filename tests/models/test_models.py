"""The architectures."""

import pytest
import torch

from unlearn.models import networks
from unlearn.study import schema


def test_parameter_counts_of_the_architectures():
    def count(kind, shape, **parameters):
        model = networks.build(kind, shape, 10, parameters)
        return sum(p.numel() for p in model.parameters())

    grey, colour = (28, 28, 1), (32, 32, 3)
    assert count("logistic", grey) == 7_850
    assert count("mlp", grey, hidden=128) == 101_770
    assert count("cnn1", grey, width=None) == 15_770
    assert count("cnn1", colour, width=None) == 41_418
    assert count("cnn2", grey, width=None) == 206_922
    assert count("cnn2", colour, width=None) == 545_098
    assert count("resnet18", colour) == 11_173_962


def test_every_architecture_has_a_schema():
    assert set(networks._BUILDERS) == set(schema.read("models"))


@pytest.mark.parametrize("kind", sorted(networks._BUILDERS))
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3)])
def test_architectures_take_every_data_set(kind, shape):
    parameters = schema.with_defaults({}, schema.read("models")[kind])
    parameters.pop("recipe")
    model = networks.seeded(kind, shape, 7, parameters, 0)
    height, width, channels = shape
    assert model(torch.zeros(2, channels, height, width)).shape == (2, 7)
    same = networks.seeded(kind, shape, 7, parameters, 0)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True)
    )
