"""SGD on a stack of linear layers, without autograd.

It does the arithmetic of `Optimizer` in fewer and larger pieces: at minibatches of 16, bookkeeping
takes longer than the matrix products themselves.
"""

from typing import Self

import torch
from torch import nn

from unlearn.training.device import Machine
from unlearn.training.hooks import has_hooks, has_modes, has_plain_classes
from unlearn.training.optimizers import Optimizer
from unlearn.training.recipe import Recipe


class StackOptimizer(Optimizer):
    """SGD on the mean cross-entropy of Flatten, Linear, (ReLU, Linear)*, in float32.

    The gradient of a linear layer is a product of two thin matrices; it is added to momentum or
    weights without being formed. While this is open, weights lie in memory transposed: that
    doubles the speed of their product with a small minibatch.
    """

    def __enter__(self) -> Self:
        self.places: list[torch.Tensor] = []
        self.weights: list[torch.Tensor] = []
        self.biases: list[torch.Tensor] = []
        self.momenta: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.constants: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for name, layer in self._layers():
            self.places.append(layer.weight.data)
            self.weights.append(layer.weight.detach().t().contiguous())
            self.biases.append(layer.bias.detach())
            layer.weight.data = self.weights[-1].t()
            if self.recipe.momentum:
                weight_momentum = self.tensors[f"momentum/{name}.weight"].t().contiguous()
                self.tensors[f"momentum/{name}.weight"] = weight_momentum.t()
                self.momenta.append((weight_momentum, self.tensors[f"momentum/{name}.bias"]))
        return self

    def __exit__(self, *_: object) -> None:
        for place, (_, layer) in zip(self.places, self._layers(), strict=True):
            place.copy_(layer.weight.data)
            layer.weight.data = place

    def _layers(self) -> list[tuple[str, nn.Linear]]:
        children = self.model.named_children()
        return [(name, layer) for name, layer in children if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def fit_batch(self, images: torch.Tensor, labels: torch.Tensor, step: int) -> None:
        """One step on a minibatch; `step` is the place in the schedule."""
        rate = self.rate(step)
        count = labels.shape[0]
        if count not in self.constants:
            self.constants[count] = torch.full((count, 1), -1.0), torch.full((count,), 1 / count)
        minus_one, shares = self.constants[count]
        inputs = [images.flatten(1)]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(torch.addmm(bias, inputs[-1], weight).relu_())
        error = torch.softmax(torch.addmm(self.biases[-1], inputs[-1], self.weights[-1]), 1)
        error.scatter_add_(1, labels[:, None], minus_one)
        for layer in range(len(self.weights) - 1, -1, -1):
            layer_error = error
            if layer:  # through the weights as they are before this step
                error = torch.mm(layer_error, self.weights[layer].t())
                error = torch.ops.aten.threshold_backward(error, inputs[layer], 0)
            self._descend(layer, inputs[layer].t(), layer_error, shares, rate)

    def _descend(
        self,
        layer: int,
        inputs: torch.Tensor,
        error: torch.Tensor,
        shares: torch.Tensor,
        rate: float,
    ) -> None:
        """Descend along inputs @ error / n in a weight, the mean error in a bias.

        Args:
            layer: The place of the layer in the stack.
            inputs: The inputs of the layer, in x n.
            error: The gradients of the n losses to the outputs of the layer, n x out.
            shares: 1 / n, n times.
            rate: The learning rate.
        """
        weight = self.weights[layer]
        bias = self.biases[layer]
        share = 1 / shares.shape[0]
        decay = self.recipe.weight_decay
        momentum = self.recipe.momentum
        if momentum:
            weight_momentum, bias_momentum = self.momenta[layer]
            weight_momentum.addmm_(inputs, error, beta=momentum, alpha=share)
            bias_momentum.addmv_(error.t(), shares, beta=momentum)
            if decay:
                weight_momentum.add_(weight, alpha=decay)
                bias_momentum.add_(bias, alpha=decay)
            weight.add_(weight_momentum, alpha=-rate)
            bias.add_(bias_momentum, alpha=-rate)
        else:
            shrinkage = 1 - rate * decay
            weight.addmm_(inputs, error, beta=shrinkage, alpha=-rate * share)
            bias.addmv_(error.t(), shares, beta=shrinkage, alpha=-rate)


def is_stack(model: nn.Module) -> bool:
    """Whether a model is Flatten, Linear, (ReLU, Linear)*, all of it trained, without any hook.

    Classes that derive from those of torch may compute anything, so they do not count.
    """
    if type(model) is not nn.Sequential or not len(model):
        return False
    kinds = [type(layer) for layer in model]
    alternating = [(nn.Linear, nn.ReLU)[i % 2] for i in range(len(kinds) - 1)]
    if len(kinds) % 2 or kinds != [nn.Flatten, *alternating]:
        return False
    if (model[0].start_dim, model[0].end_dim) != (1, -1):
        return False
    return _are_plain(model) and has_plain_classes(model) and not has_hooks(model)


def _are_plain(model: nn.Sequential) -> bool:
    """Whether each linear layer has a weight and a bias to itself, float32, and both are trained.

    Nothing else of the model is a parameter, and no parameter shares memory: it fills a storage of
    its own.
    """
    parameters = list(model.parameters())
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    if len(parameters) != 2 * len(layers) or any(layer.bias is None for layer in layers):
        return False
    storages = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    if len(storages) < len(parameters):
        return False
    return all(
        type(parameter) is nn.Parameter
        and parameter.is_contiguous()
        and parameter.untyped_storage().nbytes() == parameter.nbytes
        and parameter.requires_grad
        and parameter.dtype == torch.float32
        for parameter in parameters
    )


def takes_stack_steps(model: nn.Module, recipe: Recipe, machine: Machine) -> bool:
    """Whether `StackOptimizer` gives what `Optimizer` gives on the mean cross-entropy."""
    is_plain_sgd = recipe.optimizer == "sgd" and not recipe.nesterov
    is_plain_loss = not (recipe.mixup or recipe.label_smoothing or recipe.adversarial)
    is_on_cpu = machine.device.type == "cpu" and machine.precision == "float32"
    return is_plain_sgd and is_plain_loss and is_on_cpu and not has_modes() and is_stack(model)
