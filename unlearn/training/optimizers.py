"""Steps along the gradient: the optimisers of a recipe, with a state that can be taken up again.

`Optimizer` serves every model and loss: autograd and torch's fused optimisers. A stack of linear
layers has a faster one: see `training.stack_optimizer`.
"""

import warnings
from collections.abc import Collection, Mapping
from typing import Self

import torch
from torch import nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from unlearn.training.device import Machine
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
            meter: Charged for every step.
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
        self.steps_taken = 0
        self.diverged = False
        """Whether a loss or a gradient was not finite; later steps then do nothing."""
        named = _trained_parameters(model, only)
        self.parameters = list(named.values())
        self.trains_all = only is None
        for parameter in self.parameters:
            if not _is_dense(parameter):  # a slice of a larger tensor
                parameter.data = parameter.data.contiguous()
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

    def step(self, loss: torch.Tensor, step: int | None = None) -> bool:
        """Descend along the gradient of `loss`.

        `step` is the place in the schedule, by default the number of steps so far. A loss that is
        not finite is not stepped along, nor, where gradients are clipped, is such a gradient. The
        weights then stay as they are, `diverged` and that of the meter become true, and this and
        all later steps return False.

        Raises:
            ValueError: A step beyond the end of the schedule.
            RuntimeError: The network has made no forward pass since the last step.
        """
        step = self.steps_taken if step is None else step
        if self.recipe.schedule != "constant" and self.steps is not None and step >= self.steps:
            raise ValueError(f"step: {step} is beyond the {self.steps} steps of the schedule")
        if self.diverged or not torch.isfinite(loss.detach()):
            return self._give_up()
        return self.descend(loss, step)

    def descend(self, loss: torch.Tensor, step: int) -> bool:
        """`step` without a look at the loss, which takes time on a GPU."""
        self.model.zero_grad()
        loss.backward(inputs=None if self.trains_all else self.parameters)
        self.meter.optimizer_step(self.model, None if self.trains_all else self.parameters)
        self.steps_taken += 1
        for parameter, frozen in self.frozen:
            if parameter.grad is not None:
                parameter.grad[frozen] = 0  # the norm is that of the coordinates that move
        if self.clip is not None:
            norm = nn.utils.clip_grad_norm_(self.parameters, self.clip)
            if not torch.isfinite(norm + loss.detach()):
                return self._give_up()
        with torch.no_grad():
            frozen_values = [parameter[frozen] for parameter, frozen in self.frozen]
            self._update(self.rate(step))
            for (parameter, frozen), values in zip(self.frozen, frozen_values, strict=True):
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
        indices = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        parameters = [self.parameters[index] for index in indices]  # those with a part in the loss
        values = [_flat(parameter, parameter.detach()) for parameter in parameters]
        gradients = [_flat(parameter, parameter.grad) for parameter in parameters]
        memory = [
            [_flat(self.parameters[index], tensors[index]) for index in indices]
            for tensors in self.memory.values()
        ]
        if recipe.optimizer == "adam":
            adam(
                values,
                gradients,
                *memory,
                [],
                [self.counts[index] for index in indices],
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
    """The parameters that an optimiser changes: those of `only`, or all that are not frozen."""
    named = dict(model.named_parameters())
    for name in only or ():
        if name not in named:
            raise ValueError(
                f"only: the model has no parameter {name}; allowed: {', '.join(named)}"
            )
        named[name].requires_grad_(True)
    names = [name for name, parameter in named.items() if parameter.requires_grad]
    return {name: named[name] for name in names if only is None or name in only}


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


def _is_dense(tensor: torch.Tensor) -> bool:
    """Whether the values of a tensor lie in memory without gaps, in whatever order."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    last = sum((size - 1) * stride for size, stride in pairs)
    return last + 1 == tensor.numel() or tensor.numel() == 0


def _flat(like: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """The values of `tensor` as they lie in the memory of `like`, without a copy."""
    if tensor.stride() != like.stride():
        tensor = torch.empty_like(like).copy_(tensor)
    return tensor.as_strided((tensor.numel(),), (1,))
