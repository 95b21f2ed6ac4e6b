"""The last layers of a network: the tensors that they hold, and training of these alone.

A layer is a module with a matrix or a kernel, in the order in which the network defines its
modules. What follows it up to the next layer, such as its batch normalisation, goes with it.
"""

from collections.abc import Collection

from torch import nn


def layer_names(network: nn.Module) -> list[str]:
    """The names of the modules that have a parameter with two axes or more, first layer first."""
    return [
        name
        for name, module in network.named_modules()
        if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    ]


def tensors_of_last_layers(network: nn.Module, k: int | None) -> set[str]:
    """The names of the parameters and buffers of the last `k` layers.

    None takes all tensors of the network, those before its first layer included.

    Raises ValueError, which names `k` and what is allowed, where there are fewer layers.
    """
    if k is None:
        return set(network.state_dict())
    layers = layer_names(network)
    if k > len(layers):
        raise ValueError(
            f"k: {k} is more than the layers of the network; allowed: 1 .. {len(layers)} or null"
        )
    modules = [name for name, _ in network.named_modules()]
    last_modules = modules[modules.index(layers[-k]) :]
    names = {name for module in last_modules for name in _tensors_of(network, module)}
    return names & set(network.state_dict())


def train_only(network: nn.Module, names: Collection[str]) -> None:
    """Freeze every other parameter of a network, and every buffer of a layer without any of these.

    Layers that are frozen as a whole change to evaluation mode, so that their batch normalisation
    neither takes statistics of a minibatch nor moves those that it has.
    """
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in names)
    for name, module in network.named_modules():
        tensors = _tensors_of(network, name)
        if tensors and not tensors & set(names):
            module.training = False  # of this module alone, not of what it contains


def _tensors_of(network: nn.Module, module: str) -> set[str]:
    """The full names of the parameters and buffers that a module holds itself."""
    prefix = f"{module}." if module else ""
    holder = network.get_submodule(module)
    tensors = [*holder.named_parameters(recurse=False), *holder.named_buffers(recurse=False)]
    return {f"{prefix}{name}" for name, _ in tensors}
