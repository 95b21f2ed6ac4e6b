"""Pruning by magnitude, with new values for what is pruned, and rounding to half precision."""

import math

import torch
from torch import nn


@torch.no_grad()
def replace_smallest(network: nn.Module, share: float, seed: int) -> dict[str, torch.Tensor]:
    """Give new values to the smallest weights and biases of linear and convolutional layers.

    Magnitudes are compared over all of these layers together. New weights are uniform between plus
    and minus 1 / sqrt(inputs of an output), new biases are 0.

    Args:
        network: Changed in place; frozen layers and normalisation stay as they are.
        share: Of all weights and biases of these layers, rounded to a whole number.
        seed: Decides the new weights.

    Returns:
        By name of the parameter, where its values are new: bool.
    """
    tensors = _weights_and_biases(network)
    if not tensors:
        return {}
    magnitudes = torch.cat([tensor.abs().flatten() for tensor in tensors.values()])
    count = round(share * len(magnitudes))
    is_pruned = torch.zeros(len(magnitudes), dtype=torch.bool, device=magnitudes.device)
    is_pruned[magnitudes.topk(count, largest=False).indices] = True
    generator = torch.Generator().manual_seed(seed)
    sizes = [tensor.numel() for tensor in tensors.values()]
    masks = {}
    for (name, tensor), part in zip(tensors.items(), is_pruned.split(sizes), strict=True):
        masks[name] = part.view(tensor.shape)
        draws = torch.zeros(tensor.shape)
        if tensor.ndim > 1:
            bound = 1 / math.sqrt(tensor[0].numel())
            draws.uniform_(-bound, bound, generator=generator)
        tensor.copy_(torch.where(masks[name], draws.to(tensor.device), tensor))
    return masks


@torch.no_grad()
def round_to_half(network: nn.Module) -> None:
    """Round the trained parameters of a network to the numbers that float16 has."""
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.copy_(parameter.half().to(parameter.dtype))


def _weights_and_biases(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of linear and convolutional layers that are trained, by name."""
    return {
        f"{layer}.{name}".lstrip("."): parameter
        for layer, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.requires_grad
    }
