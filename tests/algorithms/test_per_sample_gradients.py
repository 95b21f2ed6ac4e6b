"""Gradients of single points: those that autograd gives for one point alone."""

import pytest
import torch
from torch import nn

from unlearn.algorithms import per_sample_gradients
from unlearn.algorithms.influence.curvature import mean_cross_entropy
from unlearn.core import registry

torch.set_num_threads(1)


class Shared(nn.Module):
    """A layer that is passed twice, and weights that belong to no layer."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(6, 6), nn.Parameter(torch.randn(6))

    def forward(self, x):
        return self.layer(torch.tanh(self.layer(x))) * self.scale


def overwriting():
    """What a convolution gives out is overwritten by the next layer."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, dilation=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Flatten(),
        nn.Linear(4, 6),
    )


def case(kind):
    if kind == "shared":
        return Shared(), torch.randn(9, 6)
    if kind == "overwriting":
        return overwriting(), torch.randn(9, 1, 8, 8)
    parameters = {"mlp": {"hidden": 5}, "resnet9": {"width": 2}}
    parameters |= {"cnn1": {"width": None}, "cnn2": {"width": 2}}
    architecture = registry.find("models", kind)(**parameters.get(kind, {}))
    model = architecture.build((8, 8, 3), 6)
    return model, torch.randn(9, 3, 8, 8).to(memory_format=torch.channels_last)


KINDS = ["logistic", "mlp", "cnn1", "cnn2", "resnet9", "shared", "overwriting"]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_points_alone(kind):
    torch.manual_seed(0)
    model, inputs = case(kind)
    model, inputs, labels = model.double().eval(), inputs.double(), torch.randint(0, 6, (9,))
    next(model.parameters()).requires_grad_(kind == "mlp")  # a frozen one is not asked about
    asked = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = per_sample_gradients.gradients(model, inputs, labels, mean_cross_entropy)
    assert list(found) == list(asked)
    assert not any(gradients.rows().requires_grad for gradients in found.values())
    for i in range(9):
        loss = mean_cross_entropy(model(inputs[i : i + 1]), labels[i : i + 1])
        alone = torch.autograd.grad(loss, asked.values())
        for (name, gradients), one in zip(found.items(), alone, strict=True):
            assert torch.allclose(gradients.rows()[i], one.flatten(), atol=1e-12), name


@pytest.mark.parametrize("kind", ["mlp", "cnn2"])
def test_squares_of_gradients_without_writing_them_out(kind):
    torch.manual_seed(0)
    model, inputs = case(kind)
    labels = torch.randint(0, 6, (9,))
    found = per_sample_gradients.gradients(
        model.double(), inputs.double(), labels, mean_cross_entropy
    )
    for gradients in found.values():
        rows, scale = gradients.rows(), torch.rand(gradients.rows().shape[1]).double()
        assert torch.allclose(gradients.sum_of_squares(), rows.square().sum(0), atol=1e-14)
        assert torch.allclose(gradients.weighed(scale), rows.square() @ scale, atol=1e-14)
