"""Transposed and reset kernels, and gradients of the mean loss."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import task
from unlearn.algorithms import charged_gradients, convolutions
from unlearn.algorithms.losses import cross_entropy
from unlearn.training.state import state_of


def test_every_kernel_is_its_transpose_and_nothing_else_changes():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 2))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    convolutions.transpose_kernels(network)
    after = network.state_dict()
    assert torch.equal(after["0.weight"], before["0.weight"].transpose(2, 3))
    assert not torch.equal(after["0.weight"], before["0.weight"])
    assert all(torch.equal(after[name], before[name]) for name in before if name != "0.weight")
    convolutions.transpose_kernels(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.Linear(3, 4), r"^the network has no kernel above 1 x 1; allowed: networks with one$"),
        (nn.Conv2d(3, 4, 1), r"^the network has no kernel above 1 x 1; allowed: networks with one"),
        (nn.Conv2d(3, 4, (3, 5)), r"^1\.weight: a kernel of 3 x 5; allowed: square kernels$"),
    ],
    ids=["no kernel", "1 x 1", "3 x 5"],
)
def test_networks_that_transposition_does_not_suit_are_refused_untouched(layer, message):
    first = nn.Conv2d(3, 3, 3 if "square" in message else 1)
    before = first.weight.detach().clone()
    with pytest.raises(ValueError, match=message):
        convolutions.transpose_kernels(nn.Sequential(first, layer))
    assert torch.equal(first.weight, before)


def test_the_smallest_scores_of_every_kernel_are_reset():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 25, 3))
    layers = convolutions.convolutions(network)
    scores = {name: torch.randn(layer.weight.shape) for name, layer in layers.items()}
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    masks = convolutions.reset_smallest(layers, scores, 0.3, seed=5)
    for name, layer in layers.items():
        changed = layer.weight != before[name]
        assert torch.equal(changed, masks[name])
        assert changed.sum() == round(0.3 * layer.weight.numel())
        magnitudes = scores[name].abs()
        assert magnitudes[changed].max() < magnitudes[~changed].min()
    assert torch.equal(network[1].bias, before["1.bias"])


def test_new_weights_keep_the_size_of_gradients():
    """Variance 2 / (outputs of a point): 50 channels of 3 x 3."""
    layer = nn.Conv2d(40, 50, 3)
    layers = {"0.weight": layer}
    scores = {"0.weight": torch.zeros(layer.weight.shape)}
    convolutions.reset_smallest(layers, scores, 1.0, seed=5)
    assert float(layer.weight.detach().std()) == pytest.approx((2 / (50 * 9)) ** 0.5, rel=0.02)
    assert float(layer.weight.detach().mean()) == pytest.approx(0, abs=0.002)


def test_the_mean_gradient_is_that_of_all_points_at_once(digits, monkeypatch):
    """More points than go through at a time, evaluation mode, each charged once."""
    digits_task = task(digits, model="resnet9", size={"width": 2})
    monkeypatch.setattr(charged_gradients, "MAX_BATCH_POINTS", 100)
    model = digits_task.bare_model(state_of(digits_task.new_model(0))).eval()
    ids = np.tile(digits.base_ids, 2)[:310]
    gradients = charged_gradients.mean_gradient(digits_task, model, ids, cross_entropy)
    digits_task.meter.settle()
    assert digits_task.meter.gradient_evaluations == 310
    assert digits_task.meter.forward_evaluations == 0
    logits = model(digits_task.data.images(ids))
    nn.functional.cross_entropy(logits, digits_task.data.labels(ids)).backward()
    for name, parameter in model.named_parameters():
        assert torch.allclose(gradients[name].float(), parameter.grad, rtol=1e-4, atol=1e-6), name
