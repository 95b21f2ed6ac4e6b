"""Steps along the gradient: the optimisers of a recipe, with a state that can be taken up again.

`Optimizer` serves every model and loss: autograd and torch's fused optimisers. `StackOptimizer`
does the same arithmetic for SGD on a stack of linear layers, in fewer and larger pieces: at
minibatches of 16 bookkeeping takes longer than the matrix products themselves.
"""

import warnings
from collections.abc import Collection, Mapping
from typing import Self

import torch
from torch import nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from unlearn.training.device import Machine
from unlearn.training.instruments import has_hooks
from unlearn.training.meter import Meter
from unlearn.training.recipe import Recipe
from unlearn.training.schedules import learning_rate

OptimizerState = Mapping[str, torch.Tensor]
"""All that the next step depends on beside the weights: `momentum/<parameter>`, ..."""


class Optimizer:
    """SGD with (Nesterov) momentum, or Adam.

    torch's optimisers are called through their functional interface, on tensors as they lie in
    memory: the fused kernels are several times slower on tensors in any other order.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        machine: Machine,
        *,
        meter: Meter,
        only: Collection[str] | None = None,
        mask: Mapping[str, torch.Tensor] | None = None,
        clip: float | None = None,
        steps: int | None = None,
        state: OptimizerState | None = None,
    ):
        """Start afresh, or from the `state` of an earlier optimiser.

        Args:
            model: The network; parameters that do not require a gradient are left alone.
            recipe: Optimiser, rate, schedule, momentum and weight decay.
            machine: Where the network lies.
            meter: Is told of every step.
            only: Names of the parameters that are trained; the others are frozen.
            mask: By parameter, where it may change; see `Task.optimizer`.
            clip: The largest norm of a gradient. One that is not finite is not stepped along.
            steps: Length of the schedule in minibatches; None for a constant rate.
            state: What `state()` of an earlier optimiser returned.

        Raises:
            ValueError: A name that the model does not have, or a state that lacks a tensor.
        """
        self.model = model
        self.recipe = recipe
        self.machine = machine
        self.meter = meter
        self.clip = clip
        self.steps = steps
        self.diverged = False
        """Whether a loss or a gradient was not finite; later steps then do nothing."""
        named = _trained_parameters(model, only)
        self.parameters = list(named.values())
        self.frozen = _frozen_coordinates(named, mask or {})
        kinds = ("momentum",) if recipe.momentum else ()
        if recipe.optimizer == "adam":
            kinds = ("mean", "square")
        self.tensors = {
            f"{kind}/{name}": torch.zeros_like(p) for kind in kinds for name, p in named.items()
        }
        self.memory = {kind: [self.tensors[f"{kind}/{name}"] for name in named] for kind in kinds}
        if recipe.optimizer == "adam":
            self.counts = [torch.zeros((), device=p.device) for p in self.parameters]
            self.tensors |= {f"steps/{n}": c for n, c in zip(named, self.counts, strict=True)}
        for name, tensor in self.tensors.items() if state is not None else ():
            if name not in state:
                raise ValueError(f"the state of the optimiser lacks {name}")
            tensor.copy_(torch.as_tensor(state[name]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.model.zero_grad()

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of all that the next step depends on, on the CPU."""
        return {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.tensors.items()
        }

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0 over the whole schedule."""
        return learning_rate(self.recipe.schedule, self.recipe.lr, step, self.steps or 1)

    def step(self, loss: torch.Tensor, step: int = 0) -> bool:
        """Descend along the gradient of `loss`; `step` is the place in the schedule.

        A loss that is not finite is not stepped along, nor, where gradients are clipped, is such a
        gradient: the weights stay as they are, `diverged` and that of the meter become true, and
        this and all later steps return False.
        """
        if self.diverged or not torch.isfinite(loss.detach()):
            return self._give_up()
        return self.descend(loss, step)

    def descend(self, loss: torch.Tensor, step: int) -> bool:
        """`step` without a look at the loss, which takes time on a GPU."""
        self.model.zero_grad()
        loss.backward()
        self.meter.optimizer_step(self.model)
        if self.clip is not None:
            norm = nn.utils.clip_grad_norm_(self.parameters, self.clip)
            if not torch.isfinite(norm + loss.detach()):
                return self._give_up()
        with torch.no_grad():
            kept = [parameter[frozen] for parameter, frozen in self.frozen]
            self._update(self.rate(step))
            for (parameter, frozen), values in zip(self.frozen, kept, strict=True):
                parameter[frozen] = values
        return True

    def _give_up(self) -> bool:
        if not self.diverged:
            warnings.warn("training has diverged and ends here", stacklevel=3)
        self.diverged = True
        self.meter.diverged = True
        return False

    def _update(self, rate: float) -> None:
        recipe = self.recipe
        values = []
        gradients = []
        memory = [[] for _ in self.memory]
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is None:  # no part in the loss
                continue
            values.append(_flat(parameter, parameter.detach()))
            gradients.append(_flat(parameter, parameter.grad))
            for tensors, kept in zip(memory, self.memory.values(), strict=True):
                tensors.append(_flat(parameter, kept[index]))
        if recipe.optimizer == "adam":
            adam(
                values,
                gradients,
                *memory,
                [],
                [
                    c
                    for c, p in zip(self.counts, self.parameters, strict=True)
                    if p.grad is not None
                ],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=rate,
                weight_decay=recipe.weight_decay,
                eps=1e-8,
                maximize=False,
            )
            return
        sgd(
            values,
            gradients,
            memory[0] if memory else [None] * len(values),
            fused=True,
            foreach=False,
            lr=rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            dampening=0.0,
            maximize=False,
        )


def _trained_parameters(model: nn.Module, only: Collection[str] | None) -> dict[str, nn.Parameter]:
    """The parameters that are trained; all others are frozen."""
    named = dict(model.named_parameters())
    for name in only or ():
        if name not in named:
            raise ValueError(
                f"only: the model has no parameter {name}; allowed: {', '.join(named)}"
            )
    for name, parameter in named.items():
        if only is not None:
            parameter.requires_grad_(name in only)
    return {name: parameter for name, parameter in named.items() if parameter.requires_grad}


def _frozen_coordinates(
    named: Mapping[str, nn.Parameter], mask: Mapping[str, torch.Tensor]
) -> list[tuple[nn.Parameter, torch.Tensor]]:
    """Parameters with coordinates that must not change, and which these are."""
    frozen = []
    for name, free in mask.items():
        if name not in named:
            raise ValueError(f"mask: the model trains no parameter {name}")
        if free.shape != named[name].shape or free.dtype != torch.bool:
            raise ValueError(
                f"mask: {name} is {free.dtype} {tuple(free.shape)}; allowed: torch.bool "
                f"{tuple(named[name].shape)}"
            )
        frozen.append((named[name], ~free.to(named[name].device)))
    return frozen


class StackOptimizer(Optimizer):
    """SGD on the mean cross-entropy of Flatten, Linear, (ReLU, Linear)*, in float32.

    The gradient of a linear layer is a product of two thin matrices; it is added to momentum or
    weights without being formed. While this is open, weights lie in memory transposed: that
    doubles the speed of their product with a small minibatch.
    """

    def __enter__(self) -> Self:
        self.weights, self.biases, self.momenta, self.constants = [], [], [], {}
        for name, layer in self._layers():
            self.weights.append(layer.weight.detach().t().contiguous())
            self.biases.append(layer.bias.detach())
            layer.weight.data = self.weights[-1].t()
            if self.recipe.momentum:
                of_weight = self.tensors[f"momentum/{name}.weight"].t().contiguous()
                self.tensors[f"momentum/{name}.weight"] = of_weight.t()
                self.momenta.append((of_weight, self.tensors[f"momentum/{name}.bias"]))
        return self

    def __exit__(self, *_) -> None:
        for _, layer in self._layers():
            layer.weight.data = layer.weight.data.contiguous()

    def _layers(self) -> list[tuple[str, nn.Linear]]:
        return [(n, m) for n, m in self.model.named_children() if isinstance(m, nn.Linear)]

    @torch.no_grad()
    def fit_batch(self, images: torch.Tensor, labels: torch.Tensor, step: int) -> None:
        """One step on a minibatch."""
        rate = self.rate(step)
        weights, biases, count = self.weights, self.biases, labels.shape[0]
        if count not in self.constants:
            self.constants[count] = torch.full((count, 1), -1.0), torch.full((count,), 1 / count)
        minus_one, shares = self.constants[count]
        inputs = [images.flatten(1)]
        for layer in range(len(weights) - 1):
            inputs.append(torch.addmm(biases[layer], inputs[-1], weights[layer]).relu_())
        error = torch.softmax(torch.addmm(biases[-1], inputs[-1], weights[-1]), 1)
        error.scatter_add_(1, labels[:, None], minus_one)
        for layer in range(len(weights) - 1, -1, -1):
            given, mine = inputs[layer], error
            if layer:  # through the weights as they are before this step
                error = torch.mm(mine, weights[layer].t())
                error = torch.ops.aten.threshold_backward(error, given, 0)
            self._descend(layer, given.t(), mine, shares, rate)

    def _descend(self, layer: int, given, error, shares, rate: float) -> None:
        """Descend along given @ error / n in a weight, the mean error in a bias."""
        weight, bias, share = self.weights[layer], self.biases[layer], 1 / shares.shape[0]
        decay, keep = self.recipe.weight_decay, self.recipe.momentum
        if keep:
            of_weight, of_bias = self.momenta[layer]
            of_weight.addmm_(given, error, beta=keep, alpha=share)
            of_bias.addmv_(error.t(), shares, beta=keep)
            if decay:
                of_weight.add_(weight, alpha=decay)
                of_bias.add_(bias, alpha=decay)
            weight.add_(of_weight, alpha=-rate)
            bias.add_(of_bias, alpha=-rate)
        else:
            left = 1 - rate * decay
            weight.addmm_(given, error, beta=left, alpha=-rate * share)
            bias.addmv_(error.t(), shares, beta=left, alpha=-rate)


def is_stack(model: nn.Module) -> bool:
    """Whether a model is Flatten, Linear, (ReLU, Linear)*, all of it trained, without any hook."""
    if not isinstance(model, nn.Sequential) or not isinstance(model[0], nn.Flatten):
        return False
    kinds = [type(layer) for layer in model][1:]
    alternating = [(nn.Linear, nn.ReLU)[i % 2] for i in range(len(kinds))]
    trained = all(parameter.requires_grad for parameter in model.parameters())
    plain = len(kinds) % 2 == 1 and kinds == alternating and not has_hooks(model)
    return trained and plain


def takes_stack_steps(model: nn.Module, recipe: Recipe, machine: Machine) -> bool:
    """Whether `StackOptimizer` gives what `Optimizer` gives on the mean cross-entropy."""
    plain_sgd = recipe.optimizer == "sgd" and not recipe.nesterov and not recipe.mixup
    on_cpu = machine.device.type == "cpu" and machine.precision == "float32"
    return plain_sgd and on_cpu and is_stack(model)


def _flat(like: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """The values of `tensor` as they lie in the memory of `like`, without a copy."""
    if tensor.stride() != like.stride():
        tensor = torch.empty_like(like).copy_(tensor)
    return tensor.as_strided((tensor.numel(),), (1,))
