"""The precision of passes with and without gradients."""

import pytest
import torch

from tests.support.jobs import task as new_task
from tests.support.visible_loops import IDS, RETAINED_IDS, is_same_state, trained_model
from unlearn.algorithms.losses import cross_entropy
from unlearn.training.data import normalised
from unlearn.training.loop import fit, predict
from unlearn.training.state import state_of


@pytest.fixture
def bfloat16_run(digits):
    """A task in bfloat16, a network, and the types of what its first layer gives out."""
    task = new_task(digits, model="cnn1", precision="bfloat16")
    model = task.new_model(0)
    dtypes = []
    model[0].register_forward_hook(lambda layer, inputs, output: dtypes.append(output.dtype))
    return task, model, dtypes


def test_passes_with_gradients_run_in_lower_precision_and_give_float32(bfloat16_run):
    task, model, dtypes = bfloat16_run
    logits = model(task.data.images(RETAINED_IDS))
    assert dtypes == [torch.bfloat16] and logits.dtype == torch.float32
    cross_entropy(logits, task.data.labels(RETAINED_IDS)).backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())


def test_passes_without_gradients_run_in_float32(bfloat16_run):
    task, model, dtypes = bfloat16_run
    with torch.no_grad():
        logits = model(task.data.images(RETAINED_IDS))
    assert dtypes == [torch.float32] and logits.dtype == torch.float32
    plain_logits = task.bare_model(state_of(model))(task.data.images(RETAINED_IDS))
    assert torch.equal(logits, plain_logits.detach())
    assert torch.equal(predict(task, model, task.data.train_images[RETAINED_IDS]), logits)


def test_a_pass_that_fails_leaves_the_precision_as_it_was(bfloat16_run):
    task, model, dtypes = bfloat16_run
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 7, 8, 8))
    assert not torch.is_autocast_enabled("cpu")
    assert model(task.data.images(RETAINED_IDS)).dtype == torch.float32
    assert dtypes[-1] == torch.bfloat16


def test_a_loop_in_lower_precision_is_fit_to_the_bit(digits):
    task = new_task(digits, model="cnn1", precision="bfloat16", epochs=1, schedule="constant")
    model = task.new_model(0)
    fit(task, model, IDS, task.recipe, 0)
    model_of_loop = trained_model(task, task.new_model(0), ids=IDS)
    assert is_same_state(state_of(model), state_of(model_of_loop))


def test_float32_machines_give_what_a_plain_network_gives(digits):
    task = new_task(digits, model="cnn1")
    model = task.new_model(0)
    images = normalised(task.data.train_images, task.data)
    assert torch.equal(model(images), task.bare_model(state_of(model))(images))
