"""Adversarial training moves images within a ball, up the loss, and charges what it takes."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.jobs import build, raw_data
from tests.support.jobs import task as new_task
from unlearn.models.layers import batch_normalisations
from unlearn.training.adversarial import Adversary
from unlearn.training.loop import fit
from unlearn.training.recipe import Recipe

torch.set_num_threads(1)

RADIUS = 8 / 255


@pytest.fixture(scope="module")
def cifar():
    return build("cifar10", raw_data("cifar-10-batches-py"), subset=120)


def adversary(task):
    return Adversary(task.data, task.machine, task.recipe)


def pixels_of(task, images):
    """Normalised images as shares of the range of pixels."""
    return (images + task.data.shift) / (task.data.levels * task.data.scale)


def losses(model, images, labels):
    with torch.no_grad():
        return functional.cross_entropy(model(images), labels, reduction="none")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_rises_within_radius_and_range(cifar, precision):
    task = new_task(cifar, model="resnet9", size={"width": 4}, adversarial=3, precision=precision)
    model = task.new_model(0)
    images = task.data.images(np.arange(60))
    labels = task.data.labels(np.arange(60))
    before = images.clone()
    moved = adversary(task).images(model, images, labels)
    assert torch.equal(images, before) and not moved.requires_grad
    model.eval()
    assert (losses(model, moved, labels) > losses(model, images, labels)).float().mean() > 0.9
    change = pixels_of(task, moved) - pixels_of(task, images)
    assert change.abs().max() == pytest.approx(6 / 255, abs=1e-5)  # three steps of 2
    shares = pixels_of(task, moved)
    assert shares.min() > -1e-6 and shares.max() < 1 + 1e-6


def test_many_steps_stop_at_the_radius(cifar):
    task = new_task(cifar, model="cnn1", adversarial=12)
    images = task.data.images(np.arange(40))
    moved = adversary(task).images(task.new_model(0), images, task.data.labels(np.arange(40)))
    change = (pixels_of(task, moved) - pixels_of(task, images)).abs()
    assert change.max() == pytest.approx(RADIUS, abs=1e-5)
    assert (change > RADIUS - 1e-4).float().mean() > 0.3


def test_a_step_is_the_sign_of_the_gradient(digits):
    task = new_task(digits, model="logistic", adversarial=1, adversarial_step=0.01)
    model = task.new_model(0)
    ids = np.arange(30)
    images = task.data.images(ids).requires_grad_(True)
    functional.cross_entropy(model(images), task.data.labels(ids)).backward()
    moved = adversary(task).images(model, images.detach(), task.data.labels(ids))
    expected = pixels_of(task, images.detach()) + 0.01 * images.grad.sign()
    assert torch.allclose(pixels_of(task, moved), expected.clamp(0, 1), atol=1e-5)


def test_the_search_leaves_the_model_as_it_is(cifar):
    task = new_task(cifar, model="resnet9", size={"width": 4}, adversarial=2)
    model = task.new_model(0)
    frozen = batch_normalisations(model)[0]
    frozen.eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    adversary(task).images(model, task.data.images(np.arange(20)), task.data.labels(np.arange(20)))
    assert [module.training for module in model.modules()] == modes
    assert not frozen.training and model.training
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_statistics_of_an_epoch_are_those_of_its_training_steps(cifar):
    """Every batch normalisation counts one batch a step, whatever the search looks at."""
    task = new_task(cifar, model="resnet9", size={"width": 4}, adversarial=2, epochs=1)
    model = task.new_model(0)
    fit(task, model, np.arange(96), task.recipe, 0, among=np.arange(96))
    counts = {int(layer.num_batches_tracked) for layer in batch_normalisations(model)}
    assert counts == {96 // 32}


def test_an_epoch_costs_one_gradient_more_for_every_step(cifar):
    work = {}
    for steps in (0, 1, 3):
        task = new_task(cifar, model="cnn1", adversarial=steps, epochs=1)
        fit(task, task.new_model(0), np.arange(120), task.recipe, 0)
        work[steps] = (task.meter.gradient_evaluations, task.meter.flops)
        assert task.meter.optimizer_steps == 4
    assert [work[steps][0] for steps in (0, 1, 3)] == [120, 240, 480]
    assert work[3][1] - work[0][1] == 3 * (work[1][1] - work[0][1]) > 0


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
def test_training_is_on_the_moved_images_and_deterministic(digits, model):
    states = []
    for options in ({"adversarial": 2}, {"adversarial": 2}, {}, {"adversarial": 2, "mixup": 0.5}):
        task = new_task(digits, model=model, epochs=1, **options)
        network = task.new_model(0)
        fit(task, network, np.arange(200), task.recipe, 0)
        states.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        assert states[-1].isfinite().all()
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2]) and not torch.equal(states[0], states[3])


def test_robustness_grows(digits):
    """Models that were trained on moved images lose less accuracy to them."""
    options = {"adversarial_radius": 0.15, "adversarial_step": 0.05}
    attack = new_task(digits, model="mlp", adversarial=5, **options)
    accuracy = {}
    for steps in (0, 3):
        task = new_task(digits, model="mlp", adversarial=steps, epochs=20, **options)
        network = task.new_model(0)
        fit(task, network, np.arange(150), task.recipe, 0)
        ids = np.arange(150)
        labels = attack.data.labels(ids)
        moved = adversary(attack).images(network, attack.data.images(ids), labels)
        accuracy[steps] = float((network(moved).argmax(1) == labels).float().mean())
    assert accuracy[3] > accuracy[0] + 0.1


def test_recipes_know_it_only_where_it_is():
    plain = Recipe().identity()
    assert not {"strong", "adversarial", "adversarial_radius", "adversarial_step"} & set(plain)
    identity = Recipe(adversarial=3).identity()
    assert identity["adversarial"] == 3 and identity["adversarial_radius"] == RADIUS
    assert Recipe(strong=True).identity()["strong"] is True
    assert not Recipe().moves_pixels
    assert Recipe(strong=True).moves_pixels and Recipe(adversarial=1).moves_pixels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"adversarial": -1},
            "adversarial: -1 is not allowed; allowed: integer between 0 and 1,000",
        ),
        ({"adversarial_radius": 0}, "adversarial_radius: 0 is not allowed"),
        ({"adversarial": 1, "adversarial_step": 0.07}, "adversarial_step: 0.07 is longer than"),
        ({"strong": 1}, "strong: 1 is not allowed; allowed: boolean"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**options)
