"""How hard each deleted point is pushed off a student: by its influence on the teacher."""

import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.algorithms.influence import curvature
from unlearn.algorithms.influence.curvature import GaussNewton, LabelledPoints
from unlearn.algorithms.influence.weights import weights_of
from unlearn.algorithms.per_sample_gradients import Loss
from unlearn.core import seeding
from unlearn.training.meter import flops_per_sample
from unlearn.training.state import State
from unlearn.training.task import Task, index_of


@dataclass(frozen=True)
class InfluencedModel:
    """A trained model and its logits."""

    task: Task
    """The task as the model sees it."""
    state: State
    logits: torch.Tensor
    """N x C, by training id."""


@dataclass(frozen=True)
class ForgetWeights:
    """Weights of the deleted points, of mean 1, none above `cap`."""

    kind: str
    """The influence that they are proportional to: `uniform`; `teacher_loss`, the cross-entropy;
    `fisher` and `hessian`, see `algorithms.influence.curvature`."""
    cap: float | None
    damping: float
    layers: str
    """Whose weights have influence: `all`, `last`, or `auto`: all for fisher, last for hessian."""
    curvature_points: int
    """Retained points that the curvature is taken from."""
    max_solved_points: int
    """Deleted points up to which systems too large to be factorised are solved."""

    def of(
        self, teacher: InfluencedModel, deleted_ids: np.ndarray, retain_ids: np.ndarray, seed: int
    ) -> torch.Tensor:
        """A weight for each of the deleted ids, float32.

        Args:
            teacher: The model that influences are on.
            deleted_ids: The points that are weighed.
            retain_ids: The points that the curvature is drawn from.
            seed: Decides the draw, and the probes of large matrices.

        Raises:
            ValueError: An influence cannot be computed.
        """
        task = teacher.task
        influences = np.ones(len(deleted_ids))
        if self.kind == "teacher_loss":
            labels = task.data.labels(deleted_ids).cpu()
            logits = teacher.logits[index_of(deleted_ids)].double()
            influences = functional.cross_entropy(logits, labels, reduction="none").numpy()
        elif self.kind in ("fisher", "hessian"):
            influences = self._by_curvature(teacher, deleted_ids, retain_ids, seed)
        weights, note = weights_of(influences, self.cap, deleted_ids)
        if note:
            warnings.warn(f"weights: {self.kind}: {note}", stacklevel=3)
            task.meter.count("uniform_fallbacks", int((weights == 1).all()))
        return torch.from_numpy(weights).float()

    def _by_curvature(
        self, teacher: InfluencedModel, deleted_ids: np.ndarray, retain_ids: np.ndarray, seed: int
    ) -> np.ndarray:
        """Influences by the curvature around retained points, charged to the meter."""
        task = teacher.task
        network = task.bare_model(teacher.state).eval()
        order = seeding.shuffled(retain_ids, seeding.derive(seed, "curvature"))
        deleted_points = _points(task, deleted_ids)
        retained_points = _points(task, order[: self.curvature_points])
        example = deleted_points.inputs[:1]
        is_last_layer = self.layers == "last" or (self.layers == "auto" and self.kind == "hessian")
        whole_network = network
        if is_last_layer:
            task.meter.forwards(network, example, len(deleted_points) + len(retained_points))
            layer, retained_points = curvature.last_layer(network, retained_points)
            deleted_points = curvature.last_layer(network, deleted_points)[1]
            network = layer
        else:
            samples = len(deleted_points) + (len(retained_points) if self.kind == "fisher" else 0)
            task.meter.gradients(network, example, samples)
        loss = partial(
            curvature.mean_cross_entropy, label_smoothing=task.recipe.label_smoothing
        )  # that of training
        if self.kind == "fisher":
            return curvature.fisher(network, deleted_points, retained_points, self.damping, loss)
        solver = self._solver(network, deleted_points, retained_points, loss, seed)
        influences = solver.influences(deleted_points)
        products = solver.products * len(retained_points)  # two passes forward, one backward
        if is_last_layer:
            task.meter.flops += 8 * solver.size * products
        else:
            task.meter.gradients(whole_network, example, 2 * products)
        if solver.is_dense:
            task.meter.flops += solver.dense_flops
            if is_last_layer:  # the deleted points through the layer, forward and backward
                flops = sum(flops_per_sample(network, deleted_points.inputs[:1]))
                task.meter.flops += len(deleted_points) * flops
            else:  # forward, and backward from every output
                task.meter.gradient_evaluations += task.data.classes * len(retained_points)
        task.meter.count("unconverged_solves", solver.unconverged)
        task.meter.count("largest_residual", solver.residual)
        curvature.warn_unconverged(solver)
        return influences

    def _solver(
        self,
        network: nn.Module,
        deleted_points: LabelledPoints,
        retained_points: LabelledPoints,
        loss: Loss,
        seed: int,
    ) -> GaussNewton:
        size = sum(parameter.numel() for parameter in network.parameters())
        if size > curvature.MAX_DENSE_PARAMETERS and len(deleted_points) > self.max_solved_points:
            raise ValueError(
                f"weights: hessian over {size} parameters solves a system for each of "
                f"{len(deleted_points)} deleted points; allowed: most_points: "
                f"{self.max_solved_points}"
            )
        probes = seeding.derive(seed, "probes")
        return GaussNewton(network, retained_points, self.damping, loss, probes)


def _points(task: Task, ids: np.ndarray) -> LabelledPoints:
    return LabelledPoints(task.data.images(ids), task.data.labels(ids))
