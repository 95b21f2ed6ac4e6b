"""Layers of a network with new weights."""

from collections.abc import Sequence

from torch import nn

from unlearn.training.task import Task


def linear_layers(network: nn.Module) -> list[str]:
    """The names of the linear layers, first layer first.

    Raises ValueError for a network without one.
    """
    names = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not names:
        raise ValueError("the network has no linear layer; allowed: networks with one")
    return names


def reset_layers(task: Task, network: nn.Module, names: Sequence[str], seed: int) -> None:
    """Give layers the weights that they have in a new network of the seed."""
    new_network = task.new_model(seed)
    for name in names:
        network.get_submodule(name).load_state_dict(new_network.get_submodule(name).state_dict())
