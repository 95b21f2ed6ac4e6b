"""Newton's step for softmax regression: products with the exact Hessian, conjugate gradients."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, cg
from torch import nn
from torch.nn import functional

from unlearn.algorithms.charged_gradients import MAX_BATCH_POINTS, chunks, mean_gradient
from unlearn.algorithms.per_sample_gradients import Loss
from unlearn.models.layers import OppositeHalves
from unlearn.training.task import Task


@dataclass(frozen=True)
class ConjugateGradients:
    """When conjugate gradients end."""

    tolerance: float
    """The norm of the residual, relative to that of the right-hand side."""
    max_steps: int


@dataclass(frozen=True)
class Solution:
    """-(H + damping)^-1 g."""

    change: dict[str, torch.Tensor]
    """By name of the parameter, float64."""
    residual: float
    """The norm of what is left of the system, relative to g; 0 where g is 0."""
    is_converged: bool


class SoftmaxRegression:
    """The mean cross-entropy of a linear model over some points, plus decay / 2 times |w|^2."""

    def __init__(self, task: Task, model: nn.Module, ids: np.ndarray, loss: Loss, decay: float):
        """The loss at the weights of a model; one forward pass over the points is charged.

        Args:
            task: Its points, and the meter that is charged.
            model: A network of `Task.bare_model` for which `is_linear` holds; it is left in double
                precision.
            ids: The points.
            loss: The mean cross-entropy, with labels smoothed or not: its Hessian is the same.
            decay: The weight decay.
        """
        self.task = task
        self.model = model.double().eval()
        self.ids = ids
        self.loss = loss
        self.decay = decay
        self.weights = {name: p.detach() for name, p in self.model.named_parameters()}
        self.layer = linear_layers(model)[0]
        self.has_one_score = any(isinstance(m, OppositeHalves) for m in model.modules())
        """Whether the layer gives one score z for two classes, with the logits -z / 2 and z / 2."""
        self.batches = []
        """Inputs of the layer, N x inputs, and probabilities, N x classes, a few points each."""
        layer_inputs: list[torch.Tensor] = []
        handle = self.layer.register_forward_pre_hook(lambda _, x: layer_inputs.append(x[0]))
        with torch.no_grad():
            for images, _ in chunks(task, ids, MAX_BATCH_POINTS):
                points = images.double()
                probabilities = functional.softmax(self.model(points), dim=1)
                self.batches.append((layer_inputs.pop().float(), probabilities))
                task.meter.forwards(self.model, points)
        handle.remove()

    def gradient(self) -> torch.Tensor:
        """One number for every weight; one gradient of each point is charged."""
        gradient = mean_gradient(self.task, self.model, self.ids, self.loss)
        return self._flat(gradient) + self.decay * self._flat(self.weights)

    def hessian_product(self, vector: torch.Tensor) -> torch.Tensor:
        """The Hessian times a vector, as much work as one gradient of each point.

        A change of the weights moves the logits of a point by u, and its error at the logits by
        p (u - p'u), with its probabilities p. The error at a score is half the difference of those
        at the two logits that it gives.
        """
        direction = dict(zip(self._layer_names(), self._parts(vector).values(), strict=True))
        total = {name: torch.zeros_like(part) for name, part in direction.items()}
        for inputs, probabilities in self.batches:
            points = inputs.double()
            logit_change = functional.linear(points, direction["weight"], direction.get("bias"))
            if self.has_one_score:
                logit_change = OppositeHalves()(logit_change)
            mean_change = (probabilities * logit_change).sum(1, keepdim=True)
            errors = probabilities * (logit_change - mean_change)
            if self.has_one_score:
                errors = (errors[:, 1:] - errors[:, :1]) / 2
            total["weight"] += errors.t() @ points
            if "bias" in total:
                total["bias"] += errors.sum(0)
        images = self.task.data.images(self.ids[:1]).double()
        self.task.meter.gradients(self.model, images, len(self.ids))
        product = torch.cat([total[name].reshape(-1) for name in self._layer_names()])
        return product / len(self.ids) + self.decay * vector

    def newton_step(self, solver: ConjugateGradients, damping: float = 0.0) -> Solution:
        """Newton's step from the weights of the model, which stay as they are."""
        gradient = self.gradient()

        def product(vector: np.ndarray) -> np.ndarray:
            change = torch.from_numpy(vector).to(gradient)
            return (self.hessian_product(change) + damping * change).cpu().numpy()

        size = len(gradient)
        operator = LinearOperator((size, size), product, dtype=np.float64)
        right = -gradient.cpu().numpy()
        solution, exit_code = cg(operator, right, rtol=solver.tolerance, maxiter=solver.max_steps)
        norm = np.linalg.norm(right)
        residual = np.linalg.norm(right - operator @ solution) / norm if norm else 0.0
        change = self._parts(torch.from_numpy(solution).to(gradient))
        return Solution(change, float(residual), not exit_code)

    def _layer_names(self) -> list[str]:
        """The names of the parameters within the layer, in the order of `weights`."""
        return [name for name, _ in self.layer.named_parameters()]

    def _parts(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        """The parts of a vector, by name of the parameter."""
        parts = vector.split([value.numel() for value in self.weights.values()])
        pairs = zip(self.weights.items(), parts, strict=True)
        return {name: part.view(value.shape) for (name, value), part in pairs}

    def _flat(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([tensors[name].reshape(-1) for name in self.weights])


def linear_layers(model: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network."""
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def is_linear(model: nn.Module) -> bool:
    """Whether a network ends in its only layer with weights, a linear one: its loss is convex.

    The one score of such a layer may be made the logits of two classes, -z / 2 and z / 2.
    """
    layers = [module for module in model.modules() if not list(module.children())]
    if isinstance(layers[-1], OppositeHalves):
        layers = layers[:-1]
    weighted = [layer for layer in layers if list(layer.parameters())]
    return weighted == linear_layers(model) == layers[-1:]
