"""How much points weigh on a trained model: influence on their own loss.

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

from unlearn.algorithms import per_sample_gradients
from unlearn.algorithms.per_sample_gradients import Loss

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


class LabelledPoints:
    """Points as a model sees them: inputs N x ..., labels N."""

    def __init__(self, inputs: torch.Tensor, labels: torch.Tensor):
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self, parameters: int = 1) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Parts that are small enough for their gradients to so many parameters."""
        size = max(1, min(MAX_CHUNK_POINTS, MAX_HELD_NUMBERS // parameters))
        return zip(self.inputs.split(size), self.labels.split(size), strict=True)


def fisher(
    model: nn.Module, some: LabelledPoints, others: LabelledPoints, damping: float, loss: Loss
) -> np.ndarray:
    """g' (F + lambda)^-1 g of each of `some`, F the diagonal of the empirical Fisher matrix.

    F is the mean over `others` of squared gradients at their labels, lambda is `damping` times
    the mean of F.
    """
    sums: dict = {}
    for found in _gradients(model, others, loss):
        sums = {name: sums.get(name, 0) + g.sum_of_squares() for name, g in found.items()}
    diagonal = {name: total / len(others) for name, total in sums.items()}
    mean = sum(part.sum() for part in diagonal.values()) / sum(map(len, diagonal.values()))
    shrunk = {name: part + damping * mean for name, part in diagonal.items()}
    inverse = {name: torch.where(part > 0, 1 / part, 0) for name, part in shrunk.items()}
    raw = [
        sum(g.weighed(inverse[name]) for name, g in found.items())
        for found in _gradients(model, some, loss)
    ]
    return torch.cat(raw).cpu().numpy()


class GaussNewton:
    """g' (G + lambda)^-1 g with the Gauss-Newton matrix G of the mean loss over some points.

    lambda is `damping` times the mean of the diagonal of G. Systems are solved by Cholesky
    factorisation up to MAX_DENSE_PARAMETERS parameters, by conjugate gradients beyond. `unconverged` counts the
    solutions whose relative residual stayed above CG_TOLERANCE; `residual` is the largest.
    """

    def __init__(
        self, model: nn.Module, points: LabelledPoints, damping: float, loss: Loss, seed: int
    ):
        """`model`: the weights that are asked about are those that require a gradient."""
        self.model, self.points, self.loss = model, points, loss
        self.names = [name for name, p in model.named_parameters() if p.requires_grad]
        self.shapes = [dict(model.named_parameters())[name].shape for name in self.names]
        self.size = sum(shape.numel() for shape in self.shapes)
        self.unconverged, self.residual, self.products = 0, 0.0, 0
        self._factor = None
        dense = self.size <= MAX_DENSE_PARAMETERS
        matrix = self.matrix() if dense else None
        mean = float(matrix.trace()) / self.size if dense else self._mean_diagonal(seed)
        self.shift = damping * mean
        if dense and self.shift > 0:
            shifted = matrix + self.shift * np.eye(self.size)
            self._factor = scipy.linalg.cho_factor(shifted, check_finite=False)

    def influences(self, some: LabelledPoints) -> np.ndarray:
        """Of each of `some`, at their labels. Zero where G is."""
        if self.shift == 0:
            return np.zeros(len(some))
        rows = [
            torch.cat([g.rows() for g in found.values()], 1)
            for found in _gradients(self.model, some, self.loss)
        ]
        gradients = torch.cat(rows).double().cpu().numpy()
        if self._factor is not None:
            solved = scipy.linalg.cho_solve(self._factor, gradients.T, check_finite=False).T
        else:
            solved = np.stack([self.solve(g) for g in gradients])
        return (gradients * solved).sum(1)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """(G + lambda)^-1 right by conjugate gradients."""
        operator = LinearOperator((self.size, self.size), self._shifted, dtype=np.float64)
        found, failed = cg(operator, right, rtol=CG_TOLERANCE, maxiter=MAX_CG_STEPS)
        size = np.linalg.norm(right)
        left = np.linalg.norm(right - operator @ found) / size if size else 0.0
        self.residual = float(np.fmax(self.residual, left)) if np.isfinite(left) else np.inf
        self.unconverged += bool(failed)
        return found

    def product(self, vector: np.ndarray) -> np.ndarray:
        """G vector: through outputs by forward mode, the Hessian of the loss, back again."""
        self.products += 1
        weights = self._weights()
        one = next(iter(weights.values()))
        direction = self._named(torch.from_numpy(vector).to(one.device, one.dtype))
        total = torch.zeros(self.size, dtype=torch.float64)
        for inputs, labels in self.points.chunks():

            def outputs(own, inputs=inputs):
                return functional_call(self.model, own, (inputs,))

            def summed(values, labels=labels):
                return self.loss(values, labels) * len(labels)

            values, moved = jvp(outputs, (weights,), (direction,))
            _, curved = jvp(grad(summed), (values,), (moved,))
            (back,) = vjp(outputs, weights)[1](curved)
            total += self._flat(back).double().cpu()
        return total.numpy() / len(self.points)

    def matrix(self) -> np.ndarray:
        """G as a whole, size x size: the sum of J' H J with the Jacobians of the outputs."""
        weights = self._weights()
        total = np.zeros((self.size, self.size))
        for inputs, labels in self.points.chunks():

            def outputs(own, point):
                return functional_call(self.model, own, (point[None],))[0]

            def curvature(values, label):
                return torch.func.hessian(lambda v: self.loss(v[None], label[None]))(values)

            jacobian = vmap(torch.func.jacrev(outputs), (None, 0))(weights, inputs)
            rows = torch.cat([jacobian[name].flatten(2) for name in self.names], 2).double()
            values = vmap(outputs, (None, 0))(weights, inputs)
            curved = vmap(curvature)(values, labels).double() @ rows
            total += torch.einsum("ncp,ncq->pq", rows, curved).cpu().numpy()
        return total / len(self.points)

    def _shifted(self, vector: np.ndarray) -> np.ndarray:
        return self.product(vector) + self.shift * vector

    def _mean_diagonal(self, seed: int) -> float:
        """By random signs (Hutchinson 1989)."""
        random = np.random.default_rng(seed)
        probes = random.choice([-1.0, 1.0], size=(PROBE_COUNT, self.size))
        return float(np.mean([probe @ self.product(probe) for probe in probes])) / self.size

    def _weights(self) -> dict[str, torch.Tensor]:
        own = dict(self.model.named_parameters())
        return {name: own[name].detach() for name in self.names}

    def _named(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = vector.split([shape.numel() for shape in self.shapes])
        return {n: p.view(s) for n, p, s in zip(self.names, parts, self.shapes, strict=True)}

    def _flat(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([tensors[name].reshape(-1) for name in self.names])


def last_layer(model: nn.Module, points: LabelledPoints) -> tuple[nn.Linear, LabelledPoints]:
    """The last layer as a model of its own, float64, and what comes in for the points.

    ValueError if the model does not end in a linear layer.
    """
    layer = [m for m in model.modules() if not list(m.children())][-1]
    if not isinstance(layer, nn.Linear):
        raise ValueError("layers: last needs a model that ends in a linear layer; allowed: all")
    seen = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        for inputs, _ in points.chunks():
            model(inputs)
    handle.remove()
    own = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    own.load_state_dict(layer.state_dict())
    own = own.to(points.inputs.device, torch.float64)
    return own, LabelledPoints(torch.cat(seen).double(), points.labels)


def mean_cross_entropy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss of classifiers, in the precision of the outputs."""
    return functional.cross_entropy(outputs, labels)


def warn_unconverged(solved: GaussNewton) -> None:
    """Say so where conjugate gradients gave up."""
    if solved.unconverged:
        warnings.warn(
            f"{solved.unconverged} systems have not converged in {MAX_CG_STEPS} steps, the largest "
            f"relative residual is {solved.residual:.2g}; a larger damping helps",
            stacklevel=2,
        )


def _gradients(model: nn.Module, points: LabelledPoints, loss: Loss) -> Iterator[dict]:
    """The gradients of points, chunk by chunk; see `persample.gradients`."""
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    for inputs, labels in points.chunks(size):
        yield per_sample_gradients.gradients(model, inputs, labels, loss)
