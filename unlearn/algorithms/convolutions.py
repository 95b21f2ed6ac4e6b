"""The convolutions of a network, and what methods do to their kernels."""

from collections.abc import Mapping

import torch
from torch import nn


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """The two-dimensional convolutions that are trained, by name of the kernel."""
    return {
        f"{name}.weight": layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.weight.requires_grad
    }


@torch.no_grad()
def transpose_kernels(network: nn.Module) -> None:
    """Transpose every kernel over its two spatial axes; 1 x 1 kernels stay as they are.

    Raises ValueError, before any kernel changes, where none is larger than 1 x 1, or where one is
    no square.
    """
    layers = convolutions(network)
    for name, layer in layers.items():
        height, width = layer.kernel_size
        if height != width:
            raise ValueError(f"{name}: a kernel of {height} x {width}; allowed: square kernels")
    if all(layer.kernel_size == (1, 1) for layer in layers.values()):
        raise ValueError("the network has no kernel above 1 x 1; allowed: networks with one")
    for layer in layers.values():
        layer.weight.copy_(layer.weight.transpose(2, 3).clone())


@torch.no_grad()
def reset_smallest(
    layers: Mapping[str, nn.Conv2d], scores: Mapping[str, torch.Tensor], share: float, seed: int
) -> dict[str, torch.Tensor]:
    """Give new values to a share of the weights of every kernel, those with the smallest scores.

    New weights are normal with the variance 2 / (outputs that an input reaches), which keeps the
    size of gradients through a ReLU (He et al. 2015, fan-out). Biases stay as they are.

    Args:
        layers: The convolutions, by name of the kernel.
        scores: Whose magnitudes are compared, in the shape of each kernel.
        share: Of the weights of a kernel, rounded to a whole number.
        seed: Decides the new weights.

    Returns:
        By name of the kernel, where its weights are new: bool.
    """
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for name, layer in layers.items():
        masks[name] = smallest_entries(scores[name], share)
        kernel = torch.empty(layer.weight.shape)
        nn.init.kaiming_normal_(kernel, mode="fan_out", nonlinearity="relu", generator=generator)
        kernel = kernel.to(layer.weight.device)
        layer.weight.copy_(torch.where(masks[name], kernel, layer.weight))
    return masks


def smallest_entries(tensor: torch.Tensor, share: float) -> torch.Tensor:
    """Where a tensor has its smallest magnitudes: bool, True for round(share x entries) of them."""
    count = round(share * tensor.numel())
    mask = torch.zeros(tensor.numel(), dtype=torch.bool, device=tensor.device)
    mask[tensor.abs().flatten().topk(count, largest=False).indices] = True
    return mask.view(tensor.shape)


def scale_gradients(
    layers: Mapping[str, nn.Conv2d], masks: Mapping[str, torch.Tensor], scale: float
) -> None:
    """From now on, multiply the gradients of kernels by `scale` where the mask is False."""
    for name, layer in layers.items():
        factors = torch.where(masks[name], 1.0, scale)
        layer.weight.register_hook(lambda gradient, factors=factors: gradient * factors)
