"""Steps along the gradient: the optimisers of a recipe, with a state that can be taken up again.

`Descent` serves every model and loss: autograd and torch's fused optimisers. `StackDescent` does
the same arithmetic for SGD on a stack of linear layers, in fewer and larger pieces: at minibatches
of 16 bookkeeping takes longer than the matrix products themselves.
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from unlearn.training.device import Machine


def descent(
    model: nn.Module,
    loss: Callable,
    recipe: Mapping,
    machine: Machine,
    state: Mapping | None,
    clip: float | None = None,
) -> "Descent":
    """The fastest descent for this model, loss, recipe and machine; a context manager.

    `state`: what `state()` of an earlier descent returned; None starts afresh. `clip`: the largest
    norm of a gradient; longer ones are shortened.
    """
    if clip is not None:
        return Descent(model, loss, recipe, machine, state, clip)
    simple = recipe["optimizer"] == "sgd" and not recipe["nesterov"] and not recipe["mixup"]
    plain = loss is functional.cross_entropy and machine.precision == "float32"
    fast = simple and plain and machine.device.type == "cpu" and is_stack(model)
    return (StackDescent if fast else Descent)(model, loss, recipe, machine, state)


class Descent:
    """SGD with (Nesterov) momentum, or Adam, on `loss(model(images), labels)`.

    torch's optimisers are called through their functional interface, on tensors as they lie in
    memory: the fused kernels are several times slower on tensors in any other order.
    """

    def __init__(self, model, loss, recipe, machine, state, clip=None):
        self.model, self.loss, self.recipe, self.machine = model, loss, recipe, machine
        self.clip = clip
        named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.parameters = list(named.values())
        kinds = ("momentum",) if recipe["momentum"] else ()
        if recipe["optimizer"] == "adam":
            kinds = ("mean", "square")
        self.tensors = {
            f"{kind}/{name}": torch.zeros_like(p) for kind in kinds for name, p in named.items()
        }
        self.memory = {kind: [self.tensors[f"{kind}/{name}"] for name in named] for kind in kinds}
        if recipe["optimizer"] == "adam":
            self.counts = [torch.zeros((), device=p.device) for p in self.parameters]
            self.tensors |= {f"steps/{n}": c for n, c in zip(named, self.counts, strict=True)}
        for name, tensor in self.tensors.items() if state is not None else ():
            if name not in state:
                raise ValueError(f"the state of the optimiser lacks {name}")
            tensor.copy_(torch.as_tensor(state[name]))

    def __enter__(self) -> "Descent":
        return self

    def __exit__(self, *_) -> None:
        self.model.zero_grad()

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of all that the next step depends on, on the CPU: `momentum/<parameter>`, ..."""
        return {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.tensors.items()
        }

    def step(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> bool:
        """One step on a minibatch at learning rate `rate`.

        Where gradients are clipped, one that is not finite is not stepped along: False then.
        """
        with self.machine.autocast():
            objective = self.loss(self.model(images).float(), labels)
        self.model.zero_grad()
        objective.backward()
        if self.clip is not None:
            norm = nn.utils.clip_grad_norm_(self.parameters, self.clip)
            if not torch.isfinite(norm + objective.detach()):
                return False
        with torch.no_grad():
            self._update(rate)
        return True

    def _update(self, rate: float) -> None:
        recipe = self.recipe
        values = [_flat(p, p.detach()) for p in self.parameters]
        gradients = [_flat(p, p.grad) for p in self.parameters]
        memory = [list(map(_flat, self.parameters, tensors)) for tensors in self.memory.values()]
        if recipe["optimizer"] == "adam":
            adam(
                values,
                gradients,
                *memory,
                [],
                self.counts,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=rate,
                weight_decay=recipe["weight_decay"],
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
            momentum=recipe["momentum"],
            nesterov=recipe["nesterov"],
            weight_decay=recipe["weight_decay"],
            dampening=0.0,
            maximize=False,
        )


class StackDescent(Descent):
    """SGD on the mean cross-entropy of Flatten, Linear, (ReLU, Linear)*, in float32.

    The gradient of a linear layer is a product of two thin matrices; it is added to momentum or
    weights without being formed. While this is open, weights lie in memory transposed: that
    doubles the speed of their product with a small minibatch.
    """

    def __enter__(self) -> "StackDescent":
        self.weights, self.biases, self.momenta, self.constants = [], [], [], {}
        for name, layer in self._layers():
            self.weights.append(layer.weight.detach().t().contiguous())
            self.biases.append(layer.bias.detach())
            layer.weight.data = self.weights[-1].t()
            if self.recipe["momentum"]:
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
    def step(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> bool:
        """One step on a minibatch at learning rate `rate`."""
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
        return True

    def _descend(self, layer: int, given, error, shares, rate: float) -> None:
        """Descend along given @ error / n in a weight, the mean error in a bias."""
        weight, bias, share = self.weights[layer], self.biases[layer], 1 / shares.shape[0]
        decay, keep = self.recipe["weight_decay"], self.recipe["momentum"]
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
    """Whether a model is Flatten, Linear, (ReLU, Linear)*, all of it trained."""
    if not isinstance(model, nn.Sequential) or not isinstance(model[0], nn.Flatten):
        return False
    kinds = [type(layer) for layer in model][1:]
    alternating = [(nn.Linear, nn.ReLU)[i % 2] for i in range(len(kinds))]
    trained = all(parameter.requires_grad for parameter in model.parameters())
    return trained and len(kinds) % 2 == 1 and kinds == alternating


def _flat(like: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """The values of `tensor` as they lie in the memory of `like`, without a copy."""
    if tensor.stride() != like.stride():
        tensor = torch.empty_like(like).copy_(tensor)
    return tensor.as_strided((tensor.numel(),), (1,))
