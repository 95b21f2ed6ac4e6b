"""Normal noise on weights."""

from collections.abc import Iterable

import torch


@torch.no_grad()
def add_noise(tensors: Iterable[torch.Tensor], noise: float, generator: torch.Generator) -> None:
    """Add normal noise of the standard deviation `noise` to tensors, in place.

    Args:
        tensors: In this order, on any device.
        noise: The standard deviation.
        generator: On the CPU, so that all devices add the same.
    """
    for tensor in tensors:
        draws = torch.randn(tensor.shape, generator=generator)
        tensor.add_(noise * draws.to(tensor.device))
