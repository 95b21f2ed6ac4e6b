"""Steps on the weights of a network that no optimiser takes."""

from collections.abc import Mapping

import torch
from torch import nn


def move(model: nn.Module, changes: Mapping[str, torch.Tensor], scale: float = 1.0) -> None:
    """Add `scale` times a change to the parameters that `changes` names, in place."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, change in changes.items():
            parameters[name] += (scale * change).to(parameters[name].dtype)
