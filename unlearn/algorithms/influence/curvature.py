"""How much points weigh on a trained model: the influence of each on its loss.

To first order, training without a point of gradient g raises its loss by g' H^-1 g / n, with H the
Hessian of the mean loss over n points (Koh and Liang 2017). Of networks H is replaced by what is
never negative: the Gauss-Newton matrix, or the diagonal of the empirical Fisher matrix.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import scipy.linalg
import torch
from scipy.sparse.linalg import LinearOperator, cg
from torch import nn
from torch.func import functional_call, grad, jvp, vjp, vmap
from torch.nn import functional
from torch.nn.utils import skip_init

from unlearn.algorithms import per_sample_gradients
from unlearn.algorithms.per_sample_gradients import Loss
from unlearn.training.meter import FlopCounter

MAX_CHUNK_POINTS = 64
"""Points whose gradients are held at a time, at most."""
MAX_HELD_NUMBERS = 2**24
"""Numbers that the gradients held at a time consist of, at most."""
MAX_DENSE_PARAMETERS = 3000
"""Parameters up to which a matrix is factorised."""
PROBE_COUNT = 10
"""Random vectors that the mean of a diagonal is estimated from."""
CG_TOLERANCE = 1e-3
"""Relative residual at which conjugate gradients end."""
MAX_CG_STEPS = 100
"""Steps after which conjugate gradients give up."""


class LabelledPoints:
    """Points as a model sees them: inputs N x ..., labels N."""

    def __init__(self, inputs: torch.Tensor, labels: torch.Tensor):
        self.inputs = inputs
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self, parameters: int = 1) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Parts that are small enough for their gradients to so many parameters."""
        size = max(1, min(MAX_CHUNK_POINTS, MAX_HELD_NUMBERS // parameters))
        return zip(self.inputs.split(size), self.labels.split(size), strict=True)


def fisher(
    model: nn.Module,
    points: LabelledPoints,
    reference_points: LabelledPoints,
    damping: float,
    loss: Loss,
) -> np.ndarray:
    """g' (F + lambda)^-1 g of each point, F the diagonal of the empirical Fisher matrix.

    Args:
        model: Parameters that require no gradient have no influence.
        points: The points whose influence is computed, at their labels.
        reference_points: F is the mean of their squared gradients at their labels.
        damping: lambda, relative to the mean of F.
        loss: A mean over points.
    """
    sums: dict = {}
    for by_name in _gradients(model, reference_points, loss):
        sums = {name: sums.get(name, 0) + g.sum_of_squares() for name, g in by_name.items()}
    diagonal = {name: total / len(reference_points) for name, total in sums.items()}
    mean = sum(part.sum() for part in diagonal.values()) / sum(map(len, diagonal.values()))
    damped = {name: part + damping * mean for name, part in diagonal.items()}
    inverse = {name: torch.where(part > 0, 1 / part, 0) for name, part in damped.items()}
    influences = [
        sum(g.weighed(inverse[name]) for name, g in by_name.items())
        for by_name in _gradients(model, points, loss)
    ]
    return torch.cat(influences).cpu().numpy()


class GaussNewton:
    """g' (G + lambda)^-1 g with the Gauss-Newton matrix G of the mean loss over some points.

    Systems are solved by Cholesky factorisation up to MAX_DENSE_PARAMETERS parameters, and by
    conjugate gradients beyond.
    """

    def __init__(
        self, model: nn.Module, points: LabelledPoints, damping: float, loss: Loss, seed: int
    ):
        """The matrix over some points.

        Args:
            model: G is over the parameters that require a gradient.
            points: The points that G is a mean over.
            damping: lambda, relative to the mean of the diagonal of G.
            loss: A mean over points.
            seed: Of the random vectors that a large diagonal is estimated from.
        """
        self.model = model
        self.points = points
        self.loss = loss
        parameters = dict(model.named_parameters())
        self.names = [name for name, tensor in parameters.items() if tensor.requires_grad]
        self.shapes = [parameters[name].shape for name in self.names]
        self.size = sum(shape.numel() for shape in self.shapes)
        self.unconverged = 0
        """Solutions whose relative residual stayed above CG_TOLERANCE."""
        self.residual = 0.0
        """The largest relative residual."""
        self.products = 0
        """Products of G with a vector."""
        self.is_dense = self.size <= MAX_DENSE_PARAMETERS
        """Whether G is formed and factorised."""
        self.dense_flops = 0
        """FLOPs of forming G, of its factorisation and of the systems that were solved with it."""
        self._factor = None
        matrix = self.matrix() if self.is_dense else None
        mean = float(matrix.trace()) / self.size if self.is_dense else self._mean_diagonal(seed)
        self.shift = damping * mean
        """lambda."""
        if self.is_dense and self.shift > 0:
            self.dense_flops += self.size**3 // 3
            shifted = matrix + self.shift * np.eye(self.size)
            self._factor = scipy.linalg.cho_factor(shifted, check_finite=False)

    def influences(self, points: LabelledPoints) -> np.ndarray:
        """The influence of each point, at its label; zero where G is zero."""
        if self.shift == 0:
            return np.zeros(len(points))
        rows = [
            torch.cat([g.rows() for g in by_name.values()], 1)
            for by_name in _gradients(self.model, points, self.loss)
        ]
        gradients = torch.cat(rows).double().cpu().numpy()
        if self._factor is not None:
            self.dense_flops += 2 * self.size**2 * len(points)
            solutions = scipy.linalg.cho_solve(self._factor, gradients.T, check_finite=False).T
        else:
            solutions = np.stack([self.solve(g) for g in gradients])
        return (gradients * solutions).sum(1)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """(G + lambda)^-1 right by conjugate gradients."""
        operator = LinearOperator((self.size, self.size), self._shifted, dtype=np.float64)
        solution, exit_code = cg(operator, right, rtol=CG_TOLERANCE, maxiter=MAX_CG_STEPS)
        norm = np.linalg.norm(right)
        residual = np.linalg.norm(right - operator @ solution) / norm if norm else 0.0
        is_finite = np.isfinite(residual)
        self.residual = float(np.fmax(self.residual, residual)) if is_finite else np.inf
        self.unconverged += bool(exit_code)
        return solution

    def product(self, vector: np.ndarray) -> np.ndarray:
        """G vector: through outputs by forward mode, the Hessian of the loss, back again."""
        self.products += 1
        weights = self._weights()
        example = next(iter(weights.values()))
        direction = self._named(torch.from_numpy(vector).to(example.device, example.dtype))
        total = torch.zeros(self.size, dtype=torch.float64)
        for inputs, labels in self.points.chunks():

            def outputs(tensors: dict, inputs: torch.Tensor = inputs) -> torch.Tensor:
                return functional_call(self.model, tensors, (inputs,))

            def loss_sum(values: torch.Tensor, labels: torch.Tensor = labels) -> torch.Tensor:
                return self.loss(values, labels) * len(labels)

            values, output_change = jvp(outputs, (weights,), (direction,))
            _, error_change = jvp(grad(loss_sum), (values,), (output_change,))
            (weight_change,) = vjp(outputs, weights)[1](error_change)
            total += self._flat(weight_change).double().cpu()
        return total.numpy() / len(self.points)

    def matrix(self) -> np.ndarray:
        """G as a whole, size x size: the sum of J' H J with the Jacobians of the outputs."""
        with FlopCounter() as counter:
            total = self._outer_products()
        self.dense_flops += counter.flops
        return total / len(self.points)

    def _outer_products(self) -> np.ndarray:
        weights = self._weights()
        total = np.zeros((self.size, self.size))
        for inputs, labels in self.points.chunks():

            def outputs(tensors: dict, point: torch.Tensor) -> torch.Tensor:
                return functional_call(self.model, tensors, (point[None],))[0]

            def hessian(values: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
                return torch.func.hessian(lambda v: self.loss(v[None], label[None]))(values)

            jacobian = vmap(torch.func.jacrev(outputs), (None, 0))(weights, inputs)
            rows = torch.cat([jacobian[name].flatten(2) for name in self.names], 2).double()
            values = vmap(outputs, (None, 0))(weights, inputs)
            products = vmap(hessian)(values, labels).double() @ rows
            total += torch.einsum("ncp,ncq->pq", rows, products).cpu().numpy()
        return total

    def _shifted(self, vector: np.ndarray) -> np.ndarray:
        return self.product(vector) + self.shift * vector

    def _mean_diagonal(self, seed: int) -> float:
        """The mean of the diagonal, estimated by random signs (Hutchinson 1989)."""
        random = np.random.default_rng(seed)
        probes = random.choice([-1.0, 1.0], size=(PROBE_COUNT, self.size))
        return float(np.mean([probe @ self.product(probe) for probe in probes])) / self.size

    def _weights(self) -> dict[str, torch.Tensor]:
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name].detach() for name in self.names}

    def _named(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = vector.split([shape.numel() for shape in self.shapes])
        return {n: p.view(s) for n, p, s in zip(self.names, parts, self.shapes, strict=True)}

    def _flat(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([tensors[name].reshape(-1) for name in self.names])


def last_layer(model: nn.Module, points: LabelledPoints) -> tuple[nn.Linear, LabelledPoints]:
    """A copy of the last layer in float64, and its inputs for the points.

    ValueError if the model does not end in a linear layer.
    """
    layer = [m for m in model.modules() if not list(m.children())][-1]
    if not isinstance(layer, nn.Linear):
        raise ValueError("layers: last needs a model that ends in a linear layer; allowed: all")
    layer_inputs = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: layer_inputs.append(inputs[0]))
    with torch.no_grad():
        for inputs, _ in points.chunks():
            model(inputs)
    handle.remove()
    sizes = (layer.in_features, layer.out_features, layer.bias is not None)
    copy = skip_init(nn.Linear, *sizes)  # draws no random numbers
    copy.load_state_dict(layer.state_dict())
    copy = copy.to(points.inputs.device, torch.float64)
    return copy, LabelledPoints(torch.cat(layer_inputs).double(), points.labels)


def mean_cross_entropy(
    outputs: torch.Tensor, labels: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """The mean loss of classifiers, in the precision of the outputs."""
    return functional.cross_entropy(outputs, labels, label_smoothing=label_smoothing)


def warn_unconverged(solver: GaussNewton) -> None:
    """Warn where conjugate gradients did not converge."""
    if solver.unconverged:
        warnings.warn(
            f"{solver.unconverged} systems have not converged in {MAX_CG_STEPS} steps, the largest "
            f"relative residual is {solver.residual:.2g}; a larger damping helps",
            stacklevel=2,
        )


def _gradients(model: nn.Module, points: LabelledPoints, loss: Loss) -> Iterator[dict]:
    """The gradients of points, chunk by chunk; see `per_sample_gradients.gradients`."""
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    for inputs, labels in points.chunks(size):
        yield per_sample_gradients.gradients(model, inputs, labels, loss)
