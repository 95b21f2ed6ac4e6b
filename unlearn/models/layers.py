"""Layers that architectures share.

Pooling comes right after its convolution: it commutes with ReLU, and what follows works on a
quarter of the pixels.
"""

import torch
from torch import nn
from torch.nn import functional

MIN_VARIANCE = 5e-4
"""Added to the variance of a principal patch before its root is divided by."""

CHUNK_IMAGES = 250
"""Images whose patches are held at a time."""


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


class Scale(nn.Module):
    """x times a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product."""
        return x * self.factor


class UnitRows(nn.Module):
    """Rows N x F divided by their norms; rows of zeros stay."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows, of norm 1 or 0."""
        return functional.normalize(rows, dim=1, eps=torch.finfo(rows.dtype).tiny)


class OppositeHalves(nn.Module):
    """A score z, N x 1, as the logits -z / 2 and z / 2 of two classes, N x 2."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """The logits."""
        return torch.cat([-scores / 2, scores / 2], dim=1)


class SignedPatches(nn.Module):
    """A convolution by P patches and their negatives: 2P channels, no bias, of the input's size.

    The filters are a buffer: part of the state of a network, and no optimiser changes them. Before
    `fit` they are random and orthonormal.
    """

    filters: torch.Tensor

    def __init__(self, channels: int, patches: int, side: int):
        """`channels`: of the images; `side`: of a patch, in pixels."""
        super().__init__()
        self.side = side
        filters = nn.init.orthogonal_(torch.empty(patches, channels * side**2))
        self.register_buffer("filters", self._signed(filters, channels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """N x C x H x W to N x 2P x H x W."""
        return functional.conv2d(images, self.filters, padding=self.side // 2)

    def extra_repr(self) -> str:
        """The shape of the filters."""
        return f"{tuple(self.filters.shape)}"

    @torch.no_grad()
    def fit(self, images: torch.Tensor) -> None:
        """Take the principal patches of images, each divided by the root of its variance.

        The variance is about 0. The largest coefficient of a patch is positive, so that patches of
        almost the same images have the same sign.
        """
        channels = images.shape[1]
        size = channels * self.side**2
        total = torch.zeros((size, size), dtype=torch.float64, device=images.device)
        count = 0
        for chunk in images.split(CHUNK_IMAGES):
            rows = functional.unfold(chunk, self.side).transpose(1, 2).reshape(-1, size).double()
            total += rows.t() @ rows
            count += len(rows)
        variances, vectors = torch.linalg.eigh((total / count).cpu())
        order = variances.argsort(descending=True)[: len(self.filters) // 2]
        patches = vectors.t()[order]
        largest = patches.gather(1, patches.abs().argmax(1, keepdim=True))
        patches = patches * largest.sign() / (variances[order, None] + MIN_VARIANCE).sqrt()
        self.filters.copy_(self._signed(patches, channels))

    def _signed(self, patches: torch.Tensor, channels: int) -> torch.Tensor:
        """The filters of patches P x CSS: 2P x C x S x S."""
        filters = patches.reshape(-1, channels, self.side, self.side)
        return torch.cat([filters, -filters])


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
