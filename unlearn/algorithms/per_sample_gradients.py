"""Gradients of single points, without a backward pass for each.

Of a layer that multiplies its inputs by weights, the gradient of a point is made of what came in
and of the error that came back (Goodfellow 2015): one pass over a minibatch gives both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.func import functional_call, grad, vmap
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Rows:
    """Gradients to one tensor of weights, written out: N x weights."""

    values: torch.Tensor

    def rows(self) -> torch.Tensor:
        """N x weights."""
        return self.values

    def sum_of_squares(self) -> torch.Tensor:
        """Of every weight, over the points."""
        return self.values.double().square().sum(0)

    def weighed(self, scale: torch.Tensor) -> torch.Tensor:
        """Of every point, the sum of `scale` times its squares."""
        return self.values.double().square() @ scale


@dataclass(frozen=True)
class Outer:
    """Gradients to the matrix of a linear layer: errors N x out times inputs N x in, point by
    point, never written out."""

    errors: torch.Tensor
    inputs: torch.Tensor

    def rows(self) -> torch.Tensor:
        """N x weights."""
        return (self.errors[:, :, None] * self.inputs[:, None, :]).flatten(1)

    def sum_of_squares(self) -> torch.Tensor:
        """Of every weight, over the points."""
        return (self.errors.double().square().t() @ self.inputs.double().square()).flatten()

    def weighed(self, scale: torch.Tensor) -> torch.Tensor:
        """Of every point, the sum of `scale` times its squares."""
        matrix = scale.view(self.errors.shape[1], self.inputs.shape[1])
        return ((self.errors.double().square() @ matrix) * self.inputs.double().square()).sum(1)


def gradients(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, loss: Loss
) -> dict[str, Rows | Outer]:
    """The gradient of every point, by name of the weights that require one.

    `loss(outputs, labels)` is a mean over points; the model treats each on its own.
    """
    asked = [name for name, p in model.named_parameters() if p.requires_grad]
    found = _factored(model, inputs, labels, loss)
    rest = [name for name in asked if name not in found]
    if rest:
        found |= _one_by_one(model, rest, inputs, labels, loss)
    return {name: found[name] for name in asked}


def _factored(model, inputs, labels, loss) -> dict[str, Rows | Outer]:
    """Of linear and convolutional layers that are passed once."""
    calls: dict[str, list] = {}

    def note(name: str) -> Callable:
        def seen(_, given, out):  # the edge stays that of this output if a later layer overwrites
            calls.setdefault(name, []).append((given[0], get_gradient_edge(out)))

        return seen

    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight.requires_grad
    }
    handles = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]
    try:
        total = loss(model(inputs), labels) * len(labels)
    finally:
        for handle in handles:
            handle.remove()
    once = {
        name: call[0]
        for name, call in calls.items()
        if len(call) == 1 and _simple(layers[name], call[0][0])
    }
    if not once:
        return {}
    errors = torch.autograd.grad(total, [edge for _, edge in once.values()])
    found: dict[str, Rows | Outer] = {}
    for (name, (given, _)), error in zip(once.items(), errors, strict=True):
        prefix = f"{name}." if name else ""
        of_layer = _of_layer(layers[name], given.detach(), error)
        found |= {f"{prefix}{weights}": gradient for weights, gradient in of_layer.items()}
    return found


def _simple(layer: nn.Module, given: torch.Tensor) -> bool:
    if isinstance(layer, nn.Linear):
        return given.ndim == 2
    padded = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return padded and layer.groups == 1


def _of_layer(layer: nn.Module, given, error) -> Mapping[str, Rows | Outer]:
    if isinstance(layer, nn.Linear):
        return {"weight": Outer(error, given), "bias": Rows(error)}
    patches = functional.unfold(
        given, layer.kernel_size, layer.dilation, layer.padding, layer.stride
    )
    error = error.flatten(2)
    return {
        "weight": Rows(torch.bmm(error, patches.transpose(1, 2)).flatten(1)),
        "bias": Rows(error.sum(2)),
    }


def _one_by_one(model, names, inputs, labels, loss) -> dict[str, Rows]:
    """Of any weights."""
    fixed = {name: p.detach() for name, p in model.named_parameters()}
    own = {name: fixed.pop(name) for name in names}

    def of_one(weights, point, label):
        return loss(functional_call(model, fixed | weights, (point[None],)), label[None])

    found = vmap(grad(of_one), in_dims=(None, 0, 0))(own, inputs, labels)
    return {name: Rows(gradient.flatten(1)) for name, gradient in found.items()}
