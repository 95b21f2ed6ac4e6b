"""The architectures. Input shape and number of classes come from the data set.

All take images N x C x H x W, normalised, and return logits N x classes. Pooling comes right
after its convolution: it commutes with ReLU, and what follows works on a quarter of the pixels.
"""

from collections.abc import Mapping

import torch
from torch import nn


def build(kind: str, shape: tuple[int, int, int], classes: int, parameters: Mapping) -> nn.Module:
    """A freshly initialised model; `shape` is (H, W, C). KeyError for an unknown kind."""
    return _BUILDERS[kind](tuple(shape), classes, **parameters)


def seeded(kind: str, shape: tuple, classes: int, parameters: Mapping, seed: int) -> nn.Module:
    """A model whose initial weights are a function of `seed` alone; no global state changes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(kind, shape, classes, parameters)


def convolutional(kind: str) -> bool:
    """Whether the model profits from channels-last memory and from bfloat16 on a CPU."""
    return kind not in ("logistic", "mlp")


def has_batch_statistics(model: nn.Module) -> bool:
    """Whether the model, in its present mode, normalises by statistics over the batch."""
    norms = (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    return any(m.training for m in norms)


def _logistic(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(_size(shape), classes))


def _mlp(shape, classes, hidden):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(_size(shape), hidden), nn.ReLU(), nn.Linear(hidden, classes)
    )


class _FlattenChannelsLast(nn.Module):
    """N x C x H x W to N x HWC: as channels-last images lie in memory, so without a copy."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def _cnn1(shape, classes, width):
    height, breadth, channels = shape
    width = width or (8 if channels == 1 else 16)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        _FlattenChannelsLast(),
        nn.Linear(width * (height // 2) * (breadth // 2), classes),
    )


def _cnn2(shape, classes, width):
    height, breadth, channels = shape
    width = width or (16 if channels == 1 else 32)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        _FlattenChannelsLast(),
        nn.Linear(2 * width * (height // 4) * (breadth // 4), 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def _convolution(before: int, after: int, pool: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    pooling = [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(convolution, *pooling, nn.BatchNorm2d(after), nn.ReLU())


class _Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


def _resnet9(shape, classes, width):
    return nn.Sequential(
        _convolution(shape[2], width),
        _convolution(width, 2 * width, pool=True),
        _Residual(_convolution(2 * width, 2 * width), _convolution(2 * width, 2 * width)),
        _convolution(2 * width, 4 * width, pool=True),
        _convolution(4 * width, 8 * width, pool=True),
        _Residual(_convolution(8 * width, 8 * width), _convolution(8 * width, 8 * width)),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, classes),
    )


def _resnet18(shape, classes):
    from unlearn.core.torchvision_operators import declare_operators

    declare_operators()
    from torchvision.models import resnet18

    model = resnet18(num_classes=classes)
    model.conv1 = nn.Conv2d(shape[2], 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def _size(shape) -> int:
    return shape[0] * shape[1] * shape[2]


_BUILDERS = {
    "logistic": _logistic,
    "mlp": _mlp,
    "cnn1": _cnn1,
    "cnn2": _cnn2,
    "resnet9": _resnet9,
    "resnet18": _resnet18,
}
