"""Hooks of the models of a task: they report forward passes, and choose their precision."""

import copy
from typing import Any

import torch
from torch import nn


class ForwardStart:
    """Enters the machine's precision before a forward pass with gradients."""

    def __init__(self, task: Any):
        self.task = task
        self.contexts: list = []

    def __deepcopy__(self, memo: dict) -> "ForwardStart":
        """A copied network belongs to the same task."""
        return ForwardStart(self.task)

    def __call__(self, model: nn.Module, arguments: tuple) -> None:
        """Called by torch before the pass."""
        context = self.task.machine.autocast() if torch.is_grad_enabled() else None
        self.contexts.append(context)
        if context is not None:
            context.__enter__()


class ForwardEnd:
    """Leaves the machine's precision after a forward pass, and reports the pass to the meter."""

    def __init__(self, task: Any, start: ForwardStart | None):
        self.task = task
        self.start = start

    def __deepcopy__(self, memo: dict) -> "ForwardEnd":
        """A copied network belongs to the same task."""
        return ForwardEnd(self.task, copy.deepcopy(self.start, memo))

    def __call__(
        self, model: nn.Module, arguments: tuple, keywords: dict, logits: Any
    ) -> torch.Tensor | None:
        """Called by torch after the pass; the logits become float32."""
        context = self.start.contexts.pop() if self.start else None
        if context is not None:
            context.__exit__(None, None, None)
        if logits is None:  # the pass has raised an error
            return None
        images = arguments[0] if arguments else next(iter(keywords.values()))
        if self.task.meter.is_by_hand:
            return logits.float() if context is not None else None
        if torch._C._functorch.is_functorch_wrapped_tensor(images):
            raise RuntimeError(
                "work under torch.func cannot be charged by itself: use `task.bare_model`, and "
                "charge it by hand"
            )
        self.task.meter.forward_pass(model, images)
        return logits.float() if context is not None else None


def instrument(model: nn.Module, task: Any) -> nn.Module:
    """Have a network report its forward passes to `task.meter`, in the machine's precision."""
    start = ForwardStart(task) if task.machine.precision == "bfloat16" else None
    if start:
        model.register_forward_pre_hook(start)
    model.register_forward_hook(ForwardEnd(task, start), always_call=True, with_kwargs=True)
    return model
