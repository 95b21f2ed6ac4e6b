"""Layers that architectures share.

Pooling comes right after its convolution: it commutes with ReLU, and what follows works on a
quarter of the pixels.
"""

import torch
from torch import nn


class FlattenChannelsLast(nn.Module):
    """N x C x H x W to N x HWC: as channels-last images lie in memory, so without a copy."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The images as rows."""
        return images.permute(0, 2, 3, 1).flatten(1)


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of the input and of what the layers make of it."""
        return x + self.layers(x)


def normalised_convolution(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    """A 3 x 3 convolution, 2 x 2 pooling where asked for, batch normalisation, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    pooling = [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(convolution, *pooling, nn.BatchNorm2d(outputs), nn.ReLU())


def batch_normalisations(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The layers of a network that normalise by statistics over the batch while it trains."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def has_batch_statistics(network: nn.Module) -> bool:
    """Whether a network, in its present mode, normalises by statistics over the batch."""
    return any(layer.training for layer in batch_normalisations(network))
