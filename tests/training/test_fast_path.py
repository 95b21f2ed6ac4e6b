"""Which models take the fast path of training, and that it keeps weights where they are."""

import pytest
import torch
from torch import nn

from tests.support.jobs import task as new_task
from tests.support.stacks import trained_by_fit, trained_by_loop
from unlearn.training.stack_optimizer import takes_stack_steps

pytestmark = pytest.mark.filterwarnings("ignore:Full backward hook is firing")


def layer_without_bias(model):
    model[1] = nn.Linear(64, 128, bias=False)


def flatten_of_rows(model):
    model[0] = nn.Flatten(2)


def layers_with_one_weight(model):
    model[1] = nn.Linear(64, 64)
    model[3] = nn.Linear(64, 64)
    model[3].weight = model[1].weight


def layers_with_one_storage(model):
    model[1] = nn.Linear(64, 64)
    model[3] = nn.Linear(64, 64)
    model[3].weight.data = model[1].weight.data


def bias_in_the_storage_of_a_weight(model):
    model[1].bias = nn.Parameter(model[1].weight.data[:, 0])


def weight_that_is_a_part_of_a_larger_tensor(model):
    rows, columns = model[3].weight.shape
    model[3].weight = nn.Parameter(torch.zeros(2 * rows, columns)[rows:])


def weight_with_gaps(model):
    rows, columns = model[3].weight.shape
    model[3].weight = nn.Parameter(torch.zeros(2 * rows, columns)[::2])


def call_of_an_instance(model):
    model[1]._call_impl = nn.Linear(64, 128)


def compiled_call_of_an_instance(model):
    model[1]._compiled_call_impl = nn.Linear(64, 128)


def weights_in_double_precision(model):
    model.double()


def parameter_beside_the_layers(model):
    model.register_parameter("scale", nn.Parameter(torch.ones(1)))


@pytest.mark.parametrize(
    "change",
    [
        layer_without_bias,
        flatten_of_rows,
        layers_with_one_weight,
        layers_with_one_storage,
        bias_in_the_storage_of_a_weight,
        weight_that_is_a_part_of_a_larger_tensor,
        weight_with_gaps,
        call_of_an_instance,
        compiled_call_of_an_instance,
        weights_in_double_precision,
        parameter_beside_the_layers,
    ],
)
def test_only_stacks_of_plain_layers_take_the_fast_path(digits, change):
    task = new_task(digits)
    model = task.new_model(0)
    change(model)
    assert not takes_stack_steps(model, task.recipe, task.machine)


@pytest.mark.parametrize("train", [trained_by_fit, trained_by_loop])
def test_weights_that_share_memory_stay_equal(digits, train):
    task = new_task(digits, weight_decay=0.0)
    model = task.new_model(0)
    layers_with_one_storage(model)
    initial_weight = model[1].weight.detach().clone()
    train(task, model)
    assert torch.equal(model[1].weight, model[3].weight)
    assert not torch.equal(model[1].weight, initial_weight)
