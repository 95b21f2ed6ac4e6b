"""Gaussian noise on weights, by how much predictions depend on them."""

import torch
from torch import nn

from unlearn.algorithms.importance import Importance
from unlearn.models.layers import batch_normalisations

MIN_INFORMATION = 1e-8
"""Added to the Fisher information of a weight before it is divided by."""

MAX_VARIANCE = 1000.0
"""The largest inverse information of a weight."""

MAX_HEAD_VARIANCE = 100.0
"""The same of the last linear layer."""

LAST_LAYER_FACTOR = 10.0
"""How many times larger the variance of the last linear layer and of normalising layers is."""


def variances(model: nn.Module, information: Importance) -> Importance:
    """The variance of the noise of every weight, in units of the method's `alpha`.

    Args:
        model: The network.
        information: The diagonal of the Fisher matrix, by name of the parameter.
    """
    linear_layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    head = {id(p) for layer in linear_layers[-1:] for p in layer.parameters()}
    normalising = {id(p) for layer in batch_normalisations(model) for p in layer.parameters()}
    scales = {}
    for name, parameter in model.named_parameters():
        if name not in information:
            continue
        limit = MAX_HEAD_VARIANCE if id(parameter) in head else MAX_VARIANCE
        variance = (1 / (information[name] + MIN_INFORMATION)).clamp(max=limit)
        if variance.ndim > 1:
            variance = variance.mean(1, keepdim=True).expand(parameter.shape)
        if id(parameter) in head | normalising:
            variance = variance * LAST_LAYER_FACTOR
        scales[name] = variance
    return scales


def add_noise(model: nn.Module, scales: Importance, alpha: float, seed: int) -> None:
    """Add noise of variance `alpha` times the scale to every weight, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in scales:
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                deviation = (alpha * scales[name]).sqrt()
                parameter.add_((noise.to(deviation.device) * deviation).to(parameter.dtype))
