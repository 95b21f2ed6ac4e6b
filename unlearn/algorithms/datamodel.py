"""A datamodel of a trained network: its outputs if it had been trained without some points.

The network is linearised in its weights. The weights without the points are one Newton step away,
in a random subspace: the attribution of a point is what its gradient adds to that step (TRAK).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jvp

from unlearn.algorithms import per_sample_gradients
from unlearn.algorithms.influence.curvature import LabelledPoints
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.models.layers import batch_normalisations
from unlearn.training.state import State
from unlearn.training.task import Task

JVP_PASSES = 3
"""Forward passes that a directional derivative counts as: products with both factors."""


class Sketch:
    """Random signed sums of coordinates: a linear map that keeps inner products on average."""

    def __init__(self, size: int, width: int, seed: int):
        """From `size` coordinates to `width`; the identity where there are no more than that."""
        self.size = size
        self.width = min(size, width)
        self.summands = -(-size // self.width)
        """Coordinates of a sum; the last ones of a vector are padded."""
        random = np.random.default_rng(seed)
        order = random.permutation(self.width * self.summands)
        signs = random.choice(np.array([-1.0, 1.0], dtype=np.float32), size)
        if self.summands == 1:
            order = np.arange(size)
            signs = np.ones(size, dtype=np.float32)
        self.order = torch.from_numpy(order)
        self.signs = torch.from_numpy(signs)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """N x size to N x width, float64."""
        padding = self.width * self.summands - self.size
        padded = nn.functional.pad(rows * self.signs.to(rows), (0, padding))
        parts = padded[:, self.order.to(rows.device)].view(len(rows), self.width, self.summands)
        return parts.sum(2, dtype=torch.float64)

    def transposed(self, vector: torch.Tensor) -> torch.Tensor:
        """A vector of `width` numbers to one of `size`, float64."""
        padded = torch.empty(self.width * self.summands, dtype=torch.float64, device=vector.device)
        padded[self.order.to(vector.device)] = vector.double().repeat_interleave(self.summands)
        return padded[: self.size] * self.signs.to(padded)


def newton_step(curvature: torch.Tensor, gradient: torch.Tensor, damping: float) -> torch.Tensor:
    """(H + lambda)^-1 g, lambda relative to the mean of the diagonal of H; 0 where H is 0.

    Args:
        curvature: H, k x k, float64: that of the summed loss of the points that are left.
        gradient: g, k, float64: that of the summed loss of the points that go.
        damping: The relative lambda.
    """
    shift = damping * curvature.diagonal().mean()
    if not curvature.any():
        return torch.zeros_like(gradient)
    return torch.linalg.solve(curvature + shift * torch.eye(len(gradient)).to(curvature), gradient)


def weighted_log_odds(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A mean whose gradients have the curvature of the cross-entropy as their squares.

    The log-odds of each label, times the root of p (1 - p), which is constant.
    """
    label_logits = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    log_odds = label_logits - others
    variance = torch.sigmoid(log_odds) * torch.sigmoid(-log_odds)
    return (variance.detach().sqrt() * log_odds).mean()


@dataclass(frozen=True)
class LinearisedModel:
    """A network linearised in its weights, at changed weights."""

    task: Task
    network: nn.Module
    change: Mapping[str, torch.Tensor]
    """By name of a weight, by how much it changes."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """f(x) + J(x) change: the predicted logits N x C; charged as forward passes."""
        weights = dict(self.network.named_parameters())
        weights = {name: weights[name].detach() for name in self.change}

        def logits(tensors: dict) -> torch.Tensor:
            return functional_call(self.network, tensors, (images,))

        self.task.meter.forwards(self.network, images, JVP_PASSES * len(images))
        with torch.no_grad():
            outputs, output_changes = jvp(logits, (weights,), (dict(self.change),))
        return outputs + output_changes


@dataclass(frozen=True)
class Attribution:
    """How a datamodel is made."""

    width: int
    """Dimensions of the random subspace."""
    damping: float
    """What is added to the curvature, relative to the mean of its diagonal."""
    seed: int

    def without(
        self, task: Task, original: State, deleted_ids: np.ndarray, retain_ids: np.ndarray
    ) -> LinearisedModel:
        """The datamodel of a trained model at the deletion of some points.

        The weights of batch normalisation do not change.

        Args:
            task: Data, networks and meter; all gradients are charged.
            original: The trained model.
            deleted_ids: The points that go.
            retain_ids: The points that are left.
        """
        network = task.bare_model(original).eval()
        for layer in batch_normalisations(network):
            layer.requires_grad_(False)
        weights = {name: p for name, p in network.named_parameters() if p.requires_grad}
        size = sum(weight.numel() for weight in weights.values())
        sketch = Sketch(size, self.width, seeding.derive(self.seed, "sketch"))
        gradient = torch.zeros(size, device=task.machine.device)
        for images, labels in _points(task, deleted_ids).chunks():
            task.meter.gradients(network, images)
            loss = cross_entropy(network(images), labels, task.recipe.label_smoothing)
            parts = torch.autograd.grad(loss * len(labels), list(weights.values()))
            gradient += torch.cat([part.reshape(-1) for part in parts])
        curvature = torch.zeros(sketch.width, sketch.width, dtype=torch.float64)
        curvature = curvature.to(task.machine.device)
        for images, labels in _points(task, retain_ids).chunks(size):
            task.meter.gradients(network, images)
            by_name = per_sample_gradients.gradients(network, images, labels, weighted_log_odds)
            rows = sketch(torch.cat([by_name[name].rows() for name in weights], 1))
            task.meter.flops += 2 * len(rows) * sketch.width**2
            curvature += rows.t() @ rows
        task.meter.flops += 2 * sketch.width**3 // 3
        step = newton_step(curvature, sketch(gradient[None])[0], self.damping)
        change = sketch.transposed(step).float().split([w.numel() for w in weights.values()])
        named = {
            name: part.view(weight.shape)
            for (name, weight), part in zip(weights.items(), change, strict=True)
        }
        return LinearisedModel(task, network, named)


def _points(task: Task, ids: np.ndarray) -> LabelledPoints:
    return LabelledPoints(task.data.images(ids), task.data.labels(ids))
