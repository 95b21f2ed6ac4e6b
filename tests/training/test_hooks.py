"""Hooks, modes and masks act on models that the fast path could train."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.autograd import graph
from torch.nn.modules import module as module_hooks
from torch.nn.utils import parametrize, prune
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.jobs import task as new_task
from tests.support.stacks import IDS, trained_by_fit, trained_by_loop
from unlearn.algorithms.losses import cross_entropy
from unlearn.training.hooks import has_hooks
from unlearn.training.stack_optimizer import takes_stack_steps
from unlearn.training.state import state_of

KINDS = ("mlp", "logistic", "cnn1")


def first_rows(model):
    """The weights of the first five classes."""
    return [model[-1].weight[:5]]


def last_weight(model):
    return [model[-1].weight]


def earlier_parameters(model):
    return list(model.parameters())[:-2]


def removed_at_end(*handles):
    stack = contextlib.ExitStack()
    for handle in handles:
        stack.callback(handle.remove)
    return stack


def zeroed_rows(gradient):
    return torch.cat([torch.zeros_like(gradient[:5]), gradient[5:]])


def zeroed_accumulation(parameter):
    parameter.grad[:5] = 0


def detached_classes(module, inputs, outputs):
    """The outputs, the first five classes without a gradient."""
    return torch.cat([outputs[:, :5].detach(), outputs[:, 5:]], 1)


def zeroed_inputs(module, inputs):
    return (torch.zeros_like(inputs[0]),)


def zeroed_errors(module, errors):
    """The gradients to the outputs, those of the first five classes zero."""
    return (errors[0] * (torch.arange(10) >= 5),)


def zeroed_input_errors(module, input_errors, errors):
    return tuple(None if error is None else torch.zeros_like(error) for error in input_errors)


def of_module(target, hook):
    """A global hook that serves one module."""

    def served(module, *arguments):
        return hook(module, *arguments) if module is target else None

    return served


class DetachedRows(nn.Module):
    """A parametrization: the first five rows are constants."""

    def forward(self, weight):
        return torch.cat([weight[:5].detach(), weight[5:]])


class DetachedLinear(nn.Linear):
    def forward(self, inputs):
        return detached_classes(self, inputs, super().forward(inputs))


class DetachedSequential(nn.Sequential):
    def forward(self, inputs):
        return detached_classes(self, inputs, super().forward(inputs))


def derived_layer(model):
    layer = DetachedLinear(model[-1].in_features, 10)
    layer.load_state_dict(model[-1].state_dict())
    model[-1] = layer
    return contextlib.nullcontext()


def derived_model(model):
    model.__class__ = DetachedSequential
    return contextlib.nullcontext()


def replaced_forward(model):
    layer = model[-1]
    forward = layer.forward
    layer.forward = lambda inputs: detached_classes(layer, inputs, forward(inputs))
    return contextlib.nullcontext()


def parametrized(model):
    parametrize.register_parametrization(model[-1], "weight", DetachedRows())
    return contextlib.nullcontext()


def pruned(model):
    mask = torch.ones_like(model[-1].weight)
    mask[:5] = 0
    prune.custom_from_mask(model[-1], "weight", mask)
    return contextlib.nullcontext()


def frozen(model):
    model[-1].weight.requires_grad_(False)
    return contextlib.nullcontext()


def node_of(parameter):
    return parameter.view_as(parameter).grad_fn.next_functions[0][0]


@contextlib.contextmanager
def hooked_node(model):
    node = node_of(model[-1].weight)
    handle = node.register_prehook(lambda gradients: (zeroed_rows(gradients[0]),))
    yield
    handle.remove()


def unpacked_as_zeros(model):
    """The inputs of the last layer are zero where the backward pass reads them."""
    width = model[-1].in_features

    def unpacked(tensor):
        is_input = tensor.dim() == 2 and tensor.shape[1] == width
        return torch.zeros_like(tensor) if is_input else tensor

    return graph.saved_tensors_hooks(lambda tensor: tensor, unpacked)


@dataclass(frozen=True)
class Hook:
    set: Callable
    frozen: Callable = first_rows
    """The tensors of a model that must not move."""


HOOKS = {
    "parameter": Hook(lambda m: removed_at_end(m[-1].weight.register_hook(zeroed_rows))),
    "accumulated": Hook(
        lambda m: removed_at_end(
            m[-1].weight.register_post_accumulate_grad_hook(zeroed_accumulation)
        )
    ),
    "node": Hook(hooked_node),
    "forward": Hook(lambda m: removed_at_end(m[-1].register_forward_hook(detached_classes))),
    "forward of the whole": Hook(
        lambda m: removed_at_end(m.register_forward_hook(detached_classes, prepend=True))
    ),
    "forward pre": Hook(
        lambda m: removed_at_end(m[-1].register_forward_pre_hook(zeroed_inputs)), last_weight
    ),
    "backward pre": Hook(
        lambda m: removed_at_end(m[-1].register_full_backward_pre_hook(zeroed_errors))
    ),
    "backward": Hook(
        lambda m: removed_at_end(m[-1].register_full_backward_hook(zeroed_input_errors)),
        earlier_parameters,
    ),
    "global forward": Hook(
        lambda m: removed_at_end(
            module_hooks.register_module_forward_hook(of_module(m[-1], detached_classes))
        )
    ),
    "global forward pre": Hook(
        lambda m: removed_at_end(
            module_hooks.register_module_forward_pre_hook(of_module(m[-1], zeroed_inputs))
        ),
        last_weight,
    ),
    "global backward pre": Hook(
        lambda m: removed_at_end(
            module_hooks.register_module_full_backward_pre_hook(of_module(m[-1], zeroed_errors))
        )
    ),
    "global backward": Hook(
        lambda m: removed_at_end(
            module_hooks.register_module_full_backward_hook(of_module(m[-1], zeroed_input_errors))
        ),
        earlier_parameters,
    ),
    "saved tensors": Hook(unpacked_as_zeros, last_weight),
    "parametrization": Hook(parametrized),
    "pruning": Hook(pruned, lambda m: [m[-1].weight_orig[:5]]),
    "requires_grad": Hook(frozen, last_weight),
    "class of a layer": Hook(derived_layer),
    "class of the model": Hook(derived_model),
    "forward of an instance": Hook(replaced_forward),
}


pytestmark = pytest.mark.filterwarnings("ignore:Full backward hook is firing")


@pytest.mark.parametrize("train", [trained_by_fit, trained_by_loop])
@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_that_a_hook_zeroes_move_no_weight(digits, kind, name, train):
    task = new_task(digits, model=kind, weight_decay=0.0)
    model = task.new_model(0)
    assert takes_stack_steps(model, task.recipe, task.machine) is (kind != "cnn1")
    hook = HOOKS[name]
    with hook.set(model):
        assert not takes_stack_steps(model, task.recipe, task.machine)
        before = [tensor.detach().clone() for tensor in hook.frozen(model)]
        state = state_of(model)
        train(task, model)
        after = [tensor.detach() for tensor in hook.frozen(model)]
    assert all(map(torch.equal, before, after))
    moved = [key for key, tensor in state_of(model).items() if not torch.equal(tensor, state[key])]
    assert moved, "the hook freezes more than it says"


class SeenFunctions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.calls += function is nn.functional.linear
        return function(*args, **(kwargs or {}))


class SeenOperations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.calls += function is torch.ops.aten.mm.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", [SeenFunctions, SeenOperations])
@pytest.mark.parametrize("kind", ["mlp", "logistic"])
def test_a_mode_sees_the_layers_of_the_network(digits, kind, mode):
    task = new_task(digits, model=kind)
    with mode() as seen_calls:
        trained_by_fit(task, task.new_model(0))
    assert seen_calls.calls >= 14


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_on_several_gradients_is_called_at_every_step(digits, kind):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    calls = []
    handle = graph.register_multi_grad_hook(list(model.parameters()), calls.append)
    trained_by_fit(task, model)
    handle.remove()
    assert len(calls) == 14


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_is_removed_leaves_the_fast_path(digits, kind):
    task = new_task(digits, model=kind)
    states = []
    for is_hooked in (False, True):
        model = task.new_model(0)
        if is_hooked:
            for name in ("parameter", "accumulated", "forward", "backward pre", "node"):
                with HOOKS[name].set(model):
                    assert has_hooks(model)
        assert not has_hooks(model)
        trained_by_fit(task, model)
        states.append(state_of(model))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("kind", KINDS)
def test_weights_stay_in_the_memory_that_they_had(digits, kind):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    tensors = [parameter.data for parameter in model.parameters()]
    initial_state = state_of(model)
    trained_by_fit(task, model)
    assert all(map(torch.equal, tensors, model.parameters()))
    assert not any(map(torch.equal, tensors, initial_state.values()))


@pytest.mark.parametrize("name", ["forward", "_call_impl", "__call__"])
@pytest.mark.parametrize("kind", [nn.Linear, nn.ReLU, nn.Sequential])
def test_a_method_that_is_replaced_in_a_class_is_called(digits, kind, name, monkeypatch):
    task = new_task(digits)
    model = task.new_model(0)
    method = getattr(kind, name)
    calls = []

    def counted_method(module, *inputs):
        calls.append(module)
        return method(module, *inputs)

    assert takes_stack_steps(model, task.recipe, task.machine)
    monkeypatch.setattr(kind, name, counted_method)
    trained_by_fit(task, model)
    assert len(calls) >= 7
    assert not takes_stack_steps(model, task.recipe, task.machine)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_weights_do_not_move_on_any_model(digits, kind):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    initial_state = state_of(model)
    name = list(initial_state)[-2]
    mask = torch.arange(10)[:, None].expand(initial_state[name].shape) >= 5
    optimizer = task.optimizer(model, lr=0.1, mask={name: mask})
    for batch in task.minibatches(IDS, 0):
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
    final_state = state_of(model)
    assert torch.equal(final_state[name][:5], initial_state[name][:5])
    assert not torch.equal(final_state[name][5:], initial_state[name][5:])
