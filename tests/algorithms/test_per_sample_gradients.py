"""Gradients of single points: those that autograd gives for one point alone."""

import pytest
import torch
from torch import nn

from unlearn.algorithms import per_sample_gradients
from unlearn.algorithms.influence.curvature import mean_cross_entropy
from unlearn.core import registry

torch.set_num_threads(1)


class SharedLayer(nn.Module):
    """A layer that is passed twice, and weights that belong to no layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.scale = nn.Parameter(torch.randn(6))

    def forward(self, x):
        return self.layer(torch.tanh(self.layer(x))) * self.scale


def overwriting_network():
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
        return SharedLayer(), torch.randn(9, 6)
    if kind == "overwriting":
        return overwriting_network(), torch.randn(9, 1, 8, 8)
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
    model = model.double().eval()
    inputs = inputs.double()
    labels = torch.randint(0, 6, (9,))
    next(model.parameters()).requires_grad_(kind == "mlp")  # it has no gradient where it is frozen
    trainable_parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients_by_name = per_sample_gradients.gradients(model, inputs, labels, mean_cross_entropy)
    assert list(gradients_by_name) == list(trainable_parameters)
    assert not any(gradients.rows().requires_grad for gradients in gradients_by_name.values())
    for i in range(9):
        loss = mean_cross_entropy(model(inputs[i : i + 1]), labels[i : i + 1])
        point_gradients = torch.autograd.grad(loss, trainable_parameters.values())
        for name, point_gradient in zip(gradients_by_name, point_gradients, strict=True):
            row = gradients_by_name[name].rows()[i]
            assert torch.allclose(row, point_gradient.flatten(), atol=1e-12), name


@pytest.mark.parametrize("kind", ["mlp", "cnn2"])
def test_squares_of_gradients_without_writing_them_out(kind):
    torch.manual_seed(0)
    model, inputs = case(kind)
    labels = torch.randint(0, 6, (9,))
    gradients_by_name = per_sample_gradients.gradients(
        model.double(), inputs.double(), labels, mean_cross_entropy
    )
    for gradients in gradients_by_name.values():
        rows = gradients.rows()
        scale = torch.rand(rows.shape[1]).double()
        assert torch.allclose(gradients.sum_of_squares(), rows.square().sum(0), atol=1e-14)
        assert torch.allclose(gradients.weighed(scale), rows.square() @ scale, atol=1e-14)
        assert torch.allclose(gradients.sum_of_magnitudes(), rows.abs().sum(0), atol=1e-14)


def test_frozen_normalisation_needs_no_pass_of_its_own(monkeypatch):
    """So a network with batch normalisation costs one pass forward and one backward, too."""
    torch.manual_seed(0)
    model, inputs = case("resnet9")
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    labels = torch.randint(0, 6, (9,))
    arguments = (model.double().eval(), inputs.double(), labels, mean_cross_entropy)
    names = [name for name, _ in model.named_parameters()]
    labelled = per_sample_gradients.LabelledLoss(*arguments)
    expected = per_sample_gradients._vectorised_gradients(labelled, names)
    monkeypatch.setattr(per_sample_gradients, "_vectorised_gradients", None)
    for name, gradients in per_sample_gradients.gradients(*arguments).items():
        assert torch.allclose(gradients.rows(), expected[name].rows(), atol=1e-12), name
