"""The cost of training and forgetting: time, gradient evaluations, arithmetic, memory."""

import contextlib
import resource
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from unlearn.training.device import Machine, release_freed_memory
from unlearn.training.instruments import ForwardStart


class Meter:
    """Counts of work.

    Models of a task report every forward pass, and optimisers every step, so a training loop need
    not charge anything. Work that is neither is charged by hand, inside `by_hand()`.

    `gradient_evaluations`: samples that went forward and backward; `forward_evaluations`: samples
    that only went forward; `flops`: floating-point operations of both, two for a multiply-add,
    matrix products and convolutions only; `optimizer_steps`: minibatches that were stepped on.
    `counts`: what else a method counts, by name. `diverged`: whether training was given up because
    a loss or a gradient was not finite.
    """

    def __init__(self, flops_by_model: dict | None = None):
        """`flops_by_model`: FLOPs a sample that an earlier meter counted, to save the counting."""
        self.gradient_evaluations = 0
        self.forward_evaluations = 0
        self.flops = 0
        self.optimizer_steps = 0
        self.counts: dict[str, float] = {}
        self.diverged = False
        self.flops_by_model = {} if flops_by_model is None else flops_by_model
        self._pending: dict[nn.Module, PendingWork] = {}
        self._by_hand = 0

    @contextlib.contextmanager
    def by_hand(self) -> Iterator[None]:
        """A block whose forward passes are not charged by themselves."""
        self._by_hand += 1
        try:
            yield
        finally:
            self._by_hand -= 1

    @property
    def is_by_hand(self) -> bool:
        """Whether forward passes are not charged by themselves now."""
        return self._by_hand > 0

    def forward_pass(self, model: nn.Module, images: torch.Tensor) -> None:
        """Record a forward pass; whether it served a gradient shows when an optimiser steps."""
        if self._by_hand:
            return
        has_gradients = torch.is_grad_enabled() and any(
            parameter.requires_grad for parameter in model.parameters()
        )
        if not has_gradients:
            self.forwards(model, images)
            return
        forward, backward = self._per_sample(model, images)
        pending = self._pending.setdefault(model, PendingWork(images[:1].detach()))
        pending.samples += len(images)
        pending.forward_flops += len(images) * forward
        pending.backward_flops += len(images) * backward

    def optimizer_step(
        self, model: nn.Module, trained: Sequence[nn.Parameter] | None = None
    ) -> None:
        """Charge the forward passes of `model` since its last step as gradient evaluations.

        Args:
            model: The network, or one that contains it.
            trained: The parameters that get a gradient; None for all.

        Raises:
            RuntimeError: There was no such pass, so that the step would be free of charge.
        """
        if self._by_hand:
            return
        passed = [part for part in model.modules() if part in self._pending]
        if not passed:
            raise RuntimeError(
                "an optimiser steps, but its model has made no forward pass that was charged: call "
                "the model itself, or charge by hand within `task.meter.by_hand()`"
            )
        for part in passed:
            pending = self._pending.pop(part)
            self.gradient_evaluations += pending.samples
            backward_flops = pending.backward_flops
            if trained is not None:
                with _gradients_of(part, trained):
                    backward_flops = pending.samples * self._per_sample(part, pending.example)[1]
            self.flops += pending.forward_flops + backward_flops
        self.optimizer_steps += 1

    def settle(self) -> None:
        """Charge the forward passes that no step followed."""
        for pending in self._pending.values():
            self.forward_evaluations += pending.samples
            self.flops += pending.forward_flops
        self._pending.clear()

    def gradients(self, model: nn.Module, images: torch.Tensor, samples: int | None = None) -> None:
        """Charge a forward and backward pass of `model` over a batch, or over `samples` like it."""
        forward, backward = self._per_sample(model, images)
        samples = len(images) if samples is None else samples
        self.gradient_evaluations += samples
        self.flops += samples * (forward + backward)

    def input_gradients(self, model: nn.Module, images: torch.Tensor, samples: int) -> None:
        """Charge gradients to the images alone: forward, and about as much backward."""
        self.gradient_evaluations += samples
        self.flops += 2 * samples * self._per_sample(model, images)[0]

    def forwards(self, model: nn.Module, images: torch.Tensor, samples: int | None = None) -> None:
        """Charge a forward pass of `model` over a batch, or over `samples` like it."""
        samples = len(images) if samples is None else samples
        self.forward_evaluations += samples
        self.flops += samples * self._per_sample(model, images)[0]

    def count(self, name: str, amount: float) -> None:
        """Add to a count of the method's own, one that the metric catalogue has."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def _per_sample(self, model: nn.Module, images: torch.Tensor) -> tuple[int, int]:
        weights = tuple((p.shape, p.requires_grad) for p in model.parameters())
        key = (type(model), images.shape[1:], weights)
        if key not in self.flops_by_model:
            with self.by_hand():
                self.flops_by_model[key] = flops_per_sample(model, images[:1])
        return self.flops_by_model[key]


@dataclass
class PendingWork:
    """Forward passes of a model since its last optimiser step."""

    example: torch.Tensor
    """One of the images."""
    samples: int = 0
    forward_flops: int = 0
    backward_flops: int = 0


@contextlib.contextmanager
def _gradients_of(model: nn.Module, trained: Sequence[nn.Parameter]) -> Iterator[None]:
    """A block in which only these parameters of a network require a gradient."""
    kept = {id(parameter) for parameter in trained}
    frozen = [p for p in model.parameters() if p.requires_grad and id(p) not in kept]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


class FlopCounter(TorchDispatchMode):
    """Adds up torch's formulas for the operations that run under it: `flops`, those of a `Meter`.

    torch's own FlopCounterMode imports its compiler, which takes two seconds of every job.
    """

    def __init__(self):
        super().__init__()
        self.flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # what would import the compiler

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        formula = flop_registry.get(operation.overloadpacket)
        if formula:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def flops_per_sample(model: nn.Module, images: torch.Tensor) -> tuple[int, int]:
    """FLOPs of one sample forward and backward, counted by torch on a batch of one.

    Normalisation, activations, pooling and the optimiser's step count 0, as in torch's counter.
    Neither the model's gradients nor its mode nor its buffers change, and none of its hooks runs
    but forward pre-hooks, which may compute weights.
    """
    modes = {module: module.training for module in model.modules()}
    weights = {
        name: parameter.detach().requires_grad_(parameter.requires_grad)
        for name, parameter in model.named_parameters()
    }
    model.eval()
    with torch.enable_grad(), _without_hooks(model):
        with FlopCounter() as forward:
            logits = functional_call(model, weights, (images.detach()[:1],))
        loss = functional.cross_entropy(
            logits, torch.zeros(1, dtype=torch.long, device=logits.device)
        )
        with FlopCounter() as backward:
            loss.backward()
    for module, mode in modes.items():
        module.training = mode
    return forward.flops, backward.flops


@contextlib.contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """A block in which a network runs no hook but the forward pre-hooks of a user."""
    kinds = ("_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = list(model.modules())
    hooks = [[getattr(module, kind) for kind in kinds] for module in modules]
    pre_hooks = [module._forward_pre_hooks for module in modules]
    for module, present in zip(modules, pre_hooks, strict=True):
        for kind in kinds:
            setattr(module, kind, OrderedDict())
        module._forward_pre_hooks = OrderedDict(
            (key, hook) for key, hook in present.items() if not isinstance(hook, ForwardStart)
        )
    try:
        yield
    finally:
        for module, removed, present in zip(modules, hooks, pre_hooks, strict=True):
            module._forward_pre_hooks = present
            for kind, kept in zip(kinds, removed, strict=True):
                setattr(module, kind, kept)


def measure(machine: Machine, meter: Meter, call: Callable[[], object]) -> tuple[object, dict]:
    """Run `call()`, which charges `meter`; its result, and what it cost.

    Seconds on the wall and of this process's CPU, the meter's counts, and the peak of the resident
    memory without what the system maps from files (on CUDA: of the device's allocator) in bytes.
    """
    _reset_peak_memory(machine)
    machine.synchronize()
    wall_start = time.perf_counter()
    cpu_start = time.process_time()
    result = call()
    meter.settle()
    machine.synchronize()
    return result, {
        "wall_seconds": time.perf_counter() - wall_start,
        "cpu_seconds": time.process_time() - cpu_start,
        "gradient_evaluations": meter.gradient_evaluations,
        "forward_evaluations": meter.forward_evaluations,
        "flops": meter.flops,
        "optimizer_steps": meter.optimizer_steps,
        **meter.counts,
        "peak_memory_bytes": _peak_memory(machine),
    }


def _reset_peak_memory(machine: Machine) -> None:
    if machine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(machine.device)
        return
    release_freed_memory()  # else the peak still holds what earlier work has freed
    with contextlib.suppress(OSError):  # not Linux: the peak is then the process's so far
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_memory(machine: Machine) -> int:
    if machine.device.type == "cuda":
        return torch.cuda.max_memory_allocated(machine.device)
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        # How much of a library's file a process maps depends on how it was started.
        kibibytes = int(fields["VmHWM"].split()[0]) - int(fields["RssFile"].split()[0])
        return kibibytes * 1024
    except (OSError, KeyError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
