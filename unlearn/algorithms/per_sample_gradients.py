"""Gradients of single points, without a backward pass for each.

Where a layer multiplies its inputs by weights, the gradient of a point is made of the inputs and of
the error at the outputs (Goodfellow 2015). One pass over a minibatch gives both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call, grad, vmap
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

SIMPLE_LAYERS = nn.Linear | nn.Conv2d | nn.BatchNorm2d
"""Layers whose gradients may be products of inputs and errors; see `_is_simple`."""


@dataclass(frozen=True)
class Rows:
    """Gradients to one tensor of weights, written out: N x weights."""

    values: torch.Tensor

    def rows(self) -> torch.Tensor:
        """N x weights."""
        return self.values

    def sum_of_squares(self) -> torch.Tensor:
        """The sum of squares over the points, of every weight."""
        return self.values.double().square().sum(0)

    def sum_of_magnitudes(self) -> torch.Tensor:
        """The sum of absolute values over the points, of every weight."""
        return self.values.double().abs().sum(0)

    def weighed(self, scale: torch.Tensor) -> torch.Tensor:
        """The sum of `scale` times the squares, of every point."""
        return self.values.double().square() @ scale


@dataclass(frozen=True)
class Outer:
    """Gradients to the matrix of a linear layer, never written out.

    That of a point is its error (a row of N x out) times its inputs (a row of N x in).
    """

    errors: torch.Tensor
    inputs: torch.Tensor

    def rows(self) -> torch.Tensor:
        """N x weights."""
        return (self.errors[:, :, None] * self.inputs[:, None, :]).flatten(1)

    def sum_of_squares(self) -> torch.Tensor:
        """The sum of squares over the points, of every weight."""
        return (self.errors.double().square().t() @ self.inputs.double().square()).flatten()

    def sum_of_magnitudes(self) -> torch.Tensor:
        """The sum of absolute values over the points, of every weight."""
        return (self.errors.double().abs().t() @ self.inputs.double().abs()).flatten()

    def weighed(self, scale: torch.Tensor) -> torch.Tensor:
        """The sum of `scale` times the squares, of every point."""
        matrix = scale.view(self.errors.shape[1], self.inputs.shape[1])
        return ((self.errors.double().square() @ matrix) * self.inputs.double().square()).sum(1)


@dataclass(frozen=True)
class LabelledLoss:
    """A network, the points that it is applied to, and the loss."""

    model: nn.Module
    inputs: torch.Tensor
    labels: torch.Tensor
    loss: Loss


def gradients(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, loss: Loss
) -> dict[str, Rows | Outer]:
    """The gradient of every point, by name of the weights that require one.

    Args:
        model: A network that treats each point by itself.
        inputs: N x ...
        labels: N.
        loss: `loss(outputs, labels)`, a mean over points.
    """
    labelled = LabelledLoss(model, inputs, labels, loss)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    by_name = _layer_gradients(labelled)
    missing_names = [name for name in names if name not in by_name]
    if missing_names:
        by_name |= _vectorised_gradients(labelled, missing_names)
    return {name: by_name[name] for name in names}


class _CallRecorder:
    """Notes what goes into a layer, and where its output lies in the graph of gradients."""

    def __init__(self):
        self.calls: list[tuple[torch.Tensor, GradientEdge]] = []

    def __call__(self, layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        """Called by torch; the edge stays that of this output if a later layer overwrites it."""
        self.calls.append((inputs[0], get_gradient_edge(output)))


def _layer_gradients(labelled: LabelledLoss) -> dict[str, Rows | Outer]:
    """Gradients of linear, convolutional and frozen normalising layers that are passed once."""
    layers = {
        name: layer
        for name, layer in labelled.model.named_modules()
        if isinstance(layer, SIMPLE_LAYERS)
        and layer.weight is not None
        and layer.weight.requires_grad
    }
    recorders = {name: _CallRecorder() for name in layers}
    handles = [layer.register_forward_hook(recorders[name]) for name, layer in layers.items()]
    try:
        outputs = labelled.model(labelled.inputs)
        total = labelled.loss(outputs, labelled.labels) * len(labelled.labels)
    finally:
        for handle in handles:
            handle.remove()
    single_calls = {
        name: recorder.calls[0]
        for name, recorder in recorders.items()
        if len(recorder.calls) == 1 and _is_simple(layers[name], recorder.calls[0][0])
    }
    if not single_calls:
        return {}
    errors = torch.autograd.grad(total, [edge for _, edge in single_calls.values()])
    by_name: dict[str, Rows | Outer] = {}
    for (name, (inputs, _)), error in zip(single_calls.items(), errors, strict=True):
        prefix = f"{name}." if name else ""
        factors = _factors(layers[name], inputs.detach(), error)
        by_name |= {f"{prefix}{weights}": gradient for weights, gradient in factors.items()}
    return by_name


def _is_simple(layer: nn.Module, inputs: torch.Tensor) -> bool:
    """Whether the gradients of a layer are products of its inputs and errors."""
    if isinstance(layer, nn.Linear):
        return inputs.ndim == 2
    if isinstance(layer, nn.BatchNorm2d):
        return not layer.training and layer.running_mean is not None
    is_padded_by_zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return is_padded_by_zeros and layer.groups == 1


def _factors(
    layer: nn.Module, inputs: torch.Tensor, errors: torch.Tensor
) -> Mapping[str, Rows | Outer]:
    """The gradients of a layer's weight and bias; `errors` are those to its outputs."""
    if isinstance(layer, nn.Linear):
        return {"weight": Outer(errors, inputs), "bias": Rows(errors)}
    if isinstance(layer, nn.BatchNorm2d):
        mean = layer.running_mean[:, None, None]
        deviation = (layer.running_var[:, None, None] + layer.eps).sqrt()
        products = errors * (inputs - mean) / deviation
        return {"weight": Rows(products.sum((2, 3))), "bias": Rows(errors.sum((2, 3)))}
    patches = functional.unfold(
        inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride
    )
    errors = errors.flatten(2)
    return {
        "weight": Rows(torch.bmm(errors, patches.transpose(1, 2)).flatten(1)),
        "bias": Rows(errors.sum(2)),
    }


def _vectorised_gradients(labelled: LabelledLoss, names: list[str]) -> dict[str, Rows]:
    """Gradients of any weights, by vectorised differentiation."""
    constants = {name: p.detach() for name, p in labelled.model.named_parameters()}
    variables = {name: constants.pop(name) for name in names}

    def point_loss(weights: dict, point: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        outputs = functional_call(labelled.model, constants | weights, (point[None],))
        return labelled.loss(outputs, label[None])

    by_point = vmap(grad(point_loss), in_dims=(None, 0, 0))
    by_name = by_point(variables, labelled.inputs, labelled.labels)
    return {name: Rows(gradient.flatten(1)) for name, gradient in by_name.items()}
