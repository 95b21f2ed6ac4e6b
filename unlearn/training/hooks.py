"""The hooks of torch: what may look at, or change, the passes and gradients of a network."""

import sys

import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from unlearn.training.instruments import ForwardEnd, ForwardStart

PASS_METHODS = ("forward", "__call__", "_wrapped_call_impl", "_call_impl", "_compiled_call_impl")
"""The attributes of a module that its forward pass goes through."""


def _methods(kind: type[nn.Module]) -> tuple[object, ...]:
    """What a class computes a forward pass by."""
    return tuple(getattr(kind, name, None) for name in PASS_METHODS)


_PLAIN_METHODS = {kind: _methods(kind) for kind in (nn.Sequential, nn.Flatten, nn.Linear, nn.ReLU)}


def has_hooks(model: nn.Module) -> bool:
    """Whether anything but the task's instruments is hooked to a network or to its parameters.

    A hook may belong to a module, to all modules, to a parameter, or to the node of the graph that
    adds up the gradient of a parameter.
    """
    return (
        module_hooks._has_any_global_hook()
        or any(map(_is_hooked, model.modules()))
        or any(map(_has_gradient_hooks, model.parameters()))
    )


def has_plain_classes(model: nn.Module) -> bool:
    """Whether the classes of a network's modules compute what they did when this was imported."""
    kinds = set(map(type, model.modules()))
    return all(kind in _PLAIN_METHODS and _methods(kind) == _PLAIN_METHODS[kind] for kind in kinds)


def has_modes() -> bool:
    """Whether torch shows every operation, or every tensor saved for a backward pass, to a user."""
    return bool(
        torch._C._autograd._top_saved_tensors_default_hooks(True)
        or _get_current_function_mode_stack()
        or _get_current_dispatch_mode_stack()
    )


def _is_hooked(module: nn.Module) -> bool:
    """Whether a module has a hook of a user, or methods that are not those of its class."""
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    hooks += [*module._backward_hooks.values(), *module._backward_pre_hooks.values()]
    is_foreign = [not isinstance(hook, ForwardStart | ForwardEnd) for hook in hooks]
    return any(is_foreign) or any(name in vars(module) for name in PASS_METHODS)


def _has_gradient_hooks(parameter: nn.Parameter) -> bool:
    """Whether the gradient of a parameter may be hooked, on its way or after it is added up.

    torch does not tell the hooks of a node. A node lives on only where a user or a graph holds
    it, so a node with more references than that of a new parameter may have hooks.
    """
    if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
        return True
    if not parameter.requires_grad:
        return False
    new_parameter = nn.Parameter(torch.zeros(1))
    references = sys.getrefcount(_gradient_node(parameter))
    return references > sys.getrefcount(_gradient_node(new_parameter))


def _gradient_node(parameter: nn.Parameter) -> torch.autograd.graph.Node:
    """The node of the graph that adds up the gradient of a parameter."""
    with torch.inference_mode(False), torch.enable_grad():
        return parameter.view_as(parameter).grad_fn.next_functions[0][0]
