"""Which tensors belong to the last layers of a network, and training of these alone."""

import pytest
import torch
from torch import nn

from unlearn.algorithms.last_layers import layer_names, tensors_of_last_layers, train_only
from unlearn.core import registry


def build(model, **size):
    return registry.find("models", model)(**size).build((8, 8, 1), 10)


@pytest.mark.parametrize("model", registry.names("models"))
def test_architectures_declare_how_many_layers_their_networks_have(model):
    sizes = [{}, {"whiten": True}] if model == "air" else [{}]
    for size in sizes:
        declared = registry.find("models", model)(**size).layer_count
        assert declared in (None, len(layer_names(build(model, **size))))
        assert declared is not None


def test_a_layer_takes_its_batch_normalisation_along():
    network = build("resnet9", width=2)
    head = {"8.weight", "8.bias"}
    assert tensors_of_last_layers(network, 1) == head
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    normalisation = {f"5.layers.1.1.{name}" for name in {"weight", "bias"} | statistics}
    assert tensors_of_last_layers(network, 2) == head | normalisation | {"5.layers.1.0.weight"}


def test_blocks_inside_blocks_are_counted_by_layers():
    """Not by the children of the network: torchvision's stages contain blocks."""
    names = tensors_of_last_layers(build("resnet18"), 2)
    assert {name.rpartition(".")[0] for name in names} == {"layer4.1.conv2", "layer4.1.bn2", "fc"}


def test_all_layers_are_all_tensors_but_what_comes_before_them():
    network = build("air", width=2, whiten=True)
    names = set(network.state_dict())
    assert tensors_of_last_layers(network, 5) == names - {"0.filters"}
    assert tensors_of_last_layers(network, None) == names


def test_more_layers_than_there_are_is_an_error_in_one_line():
    message = r"^k: 3 is more than the layers of the network; allowed: 1 \.\. 2 or null$"
    with pytest.raises(ValueError, match=message):
        tensors_of_last_layers(build("mlp"), 3)


def test_normalisation_of_the_last_layers_alone_stays_in_training_mode():
    network = build("resnet9", width=2)
    names = tensors_of_last_layers(network, 2)
    train_only(network, names)
    assert {n for n, p in network.named_parameters() if p.requires_grad} <= names
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [layer.training for layer in layers] == [False] * 7 + [True]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.randn(4, 1, 8, 8))
    moved = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert moved and moved <= names


def test_a_single_layer_is_a_network():
    assert tensors_of_last_layers(nn.Linear(2, 3), 1) == {"weight", "bias"}
