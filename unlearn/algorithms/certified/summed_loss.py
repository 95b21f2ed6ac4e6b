"""The summed loss of linear classifiers on some points, with its exact Hessians, in float64."""

from collections.abc import Iterator

import numpy as np
import torch

from unlearn.algorithms.certified.point_losses import LOGISTIC, PointLoss
from unlearn.algorithms.charged_gradients import MAX_BATCH_POINTS, chunks
from unlearn.training.task import Task


class SummedLoss:
    """sum_i l(w.x_i, y_i) + decay n / 2 |w|^2 for each of C classifiers, with n points.

    That is n times the mean loss with weight decay. Two classes have one classifier, which takes
    class 1 from class 0; more have one each, which takes its class from all others.

    What the methods do is charged by `charge_gradients` and `charge_hessian`, not by themselves:
    gradients also serve measurements, which are no work of the procedure.
    """

    def __init__(self, task: Task, ids: np.ndarray, loss: PointLoss = LOGISTIC):
        """The loss over the training points `ids`; there may be none.

        Args:
            task: Its points, its weight decay, and the meter that is charged. Networks are those of
                `models.bounded_logistic`.
            ids: The points.
            loss: That of one point.
        """
        self.task = task
        self.loss = loss
        self.network = task.new_model(0)
        self.rows = _rows(task, self.network, ids)
        """N x d, float64: the inputs of the linear layer."""
        labels = task.data.labels(ids)
        classes = [1] if task.data.classes == 2 else range(task.data.classes)
        members = torch.stack([labels == label for label in classes])
        self.signs = 2 * members.double() - 1
        """C x N: 1 for the points of a classifier's class, -1 for others."""
        self.decay_sum = task.recipe.weight_decay * len(ids)
        """decay n: the curvature that weight decay adds to the sum."""

    @property
    def weight_name(self) -> str:
        """The name of the weights in networks and states."""
        (name,) = dict(self.network.named_parameters())
        return name

    @property
    def points(self) -> int:
        """The number of points, n."""
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of classifiers, and that of the weights of each."""
        return len(self.signs), self.rows.shape[1]

    def gradient(self, weights: torch.Tensor) -> torch.Tensor:
        """The gradients at weights C x d, C x d."""
        slopes = self.loss.slope(self.scores(weights), self.signs)
        return slopes @ self.rows + self.decay_sum * weights

    def hessian(self, weights: torch.Tensor, classifier: int) -> torch.Tensor:
        """The Hessian of one classifier's loss at its weights d, d x d."""
        scores = self.rows @ weights
        curvatures = self.loss.curvature(scores, self.signs[classifier])
        hessian = _gram(self.rows, curvatures)
        hessian.diagonal().add_(self.decay_sum)
        return hessian

    def curvature_change(
        self, weights: torch.Tensor, step: torch.Tensor, classifier: int
    ) -> torch.Tensor:
        """The derivative of H(w) v with respect to w at a fixed v, d x d.

        Args:
            weights: w of one classifier, d.
            step: v, d.
            classifier: Its number.
        """
        third = self.loss.curvature_slope(self.rows @ weights, self.signs[classifier])
        return self.rows.t() @ ((third * (self.rows @ step))[:, None] * self.rows)

    def scores(self, weights: torch.Tensor) -> torch.Tensor:
        """The scores w.x at weights C x d, C x N."""
        return weights @ self.rows.t()

    def norm(self) -> float:
        """The largest singular value of the rows, by all eigenvalues of their Gram matrix."""
        eigenvalues = torch.linalg.eigvalsh(_gram(self.rows))
        return float(eigenvalues[-1].clamp(min=0).sqrt())

    def charge_gradients(self) -> None:
        """Charge one gradient of each point."""
        if self.points:
            self.task.meter.gradients(self.network, self._example(), self.points)

    def charge_scores(self) -> None:
        """Charge a forward pass over the points."""
        self.task.meter.forwards(self.network, self._example(), self.points)

    def charge_hessian(self) -> None:
        """Charge a Hessian of one classifier, or a Gram matrix: d products of n numbers each."""
        self.task.meter.flops += 2 * self.points * self.shape[1] ** 2

    def charge_solve(self) -> None:
        """Charge the Cholesky factor of a Hessian."""
        self.task.meter.flops += self.shape[1] ** 3 // 3

    def _example(self) -> torch.Tensor:
        """An image, as the network takes it."""
        return self.task.data.images(self.task.data.ids[:1])


def _rows(task: Task, network: torch.nn.Module, ids: np.ndarray) -> torch.Tensor:
    """What the linear layer of a network sees of the points, N x d, float64."""
    layers = list(network)
    depth = next(i for i, layer in enumerate(layers) if isinstance(layer, torch.nn.Linear))
    parts = list(_chunk_rows(task, layers[:depth], ids))
    if not parts:
        device = task.machine.device
        return torch.zeros((0, layers[depth].in_features), dtype=torch.float64, device=device)
    return torch.cat(parts)


def _chunk_rows(
    task: Task, layers: list[torch.nn.Module], ids: np.ndarray
) -> Iterator[torch.Tensor]:
    for images, _ in chunks(task, ids, MAX_BATCH_POINTS):
        rows = images.double()
        for layer in layers:
            rows = layer(rows)
        yield rows


def _gram(rows: torch.Tensor, factors: torch.Tensor | None = None) -> torch.Tensor:
    """rows' diag(factors) rows for factors from 0 on; numpy's BLAS computes half of it on a CPU."""
    scaled = rows if factors is None else factors.sqrt()[:, None] * rows
    if rows.device.type == "cpu":
        array = scaled.numpy()
        return torch.from_numpy(array.T @ array)
    return scaled.t() @ scaled
