"""How hard each deleted point is pushed off a student: by its influence on the teacher."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from unlearn.algorithms.influence import influences
from unlearn.algorithms.influence.influences import GaussNewton, Points
from unlearn.core import seeding
from unlearn.training.loop import normalised
from unlearn.training.state import State
from unlearn.training.task import Task, points


@dataclass(frozen=True)
class Push:
    """Weights of mean 1, none above `cap`, proportional to what `kind` says.

    `uniform`; `teacher_loss`, the teacher's cross-entropy; `fisher` and `hessian`, see
    `unlearn.algorithms.influence.influences`, with `damping` and the weights of `layers` (`all`, `last`, or `auto`: all
    for fisher, last for hessian), around `curvature_points` retained points. Systems too large to
    be factorised are solved for `most_points` deleted points at most.
    """

    kind: str
    cap: float | None
    damping: float
    layers: str
    curvature_points: int
    most_points: int

    def weights(
        self,
        task: Task,
        teacher: State,
        logits: torch.Tensor,
        deleted: np.ndarray,
        retain: np.ndarray,
        seed: int,
    ) -> torch.Tensor:
        """One for each of the ids `deleted`. `logits` N x C: the teacher's, by id.

        ValueError for an influence that cannot be computed.
        """
        raw = np.ones(len(deleted))
        if self.kind == "teacher_loss":
            labels = task.data.train_labels.cpu()[points(deleted)]
            own = logits[points(deleted)].double()
            raw = functional.cross_entropy(own, labels, reduction="none").numpy()
        elif self.kind in ("fisher", "hessian"):
            raw = self._curved(task, teacher, deleted, retain, seed)
        found, note = influences.weights(raw, self.cap, deleted)
        if note:
            warnings.warn(f"weights: {self.kind}: {note}", stacklevel=3)
            task.meter.count("uniform_fallbacks", int((found == 1).all()))
        return torch.from_numpy(found).float()

    def _curved(
        self, task: Task, teacher: State, deleted: np.ndarray, retain: np.ndarray, seed: int
    ) -> np.ndarray:
        """Raw influences by curvature."""
        network = task.model(teacher).eval()
        some = seeding.shuffled(retain, seeding.derive(seed, "curvature"))[: self.curvature_points]
        gone, others = (_seen(task, ids) for ids in (deleted, some))
        last = self.layers == "last" or (self.layers == "auto" and self.kind == "hessian")
        example, whole = gone.inputs[:1], network
        if last:
            task.meter.forwards(network, example, len(gone) + len(others))
            layer, others = influences.last_layer(network, others)
            network, gone = layer, influences.last_layer(network, gone)[1]
        else:
            asked = len(gone) + (len(others) if self.kind == "fisher" else 0)
            task.meter.gradients(network, example, asked)
        if self.kind == "fisher":
            return influences.fisher(network, gone, others, self.damping, influences.cross_entropy)
        solved = self._solve(network, gone, others, seed)
        raw = solved.influences(gone)
        products = solved.products * len(others)  # each goes forward twice and backward once
        if last:
            task.meter.flops += 8 * solved.size * products
        else:
            task.meter.gradients(whole, example, 2 * products)
        task.meter.count("unconverged_solves", solved.unconverged)
        task.meter.count("largest_residual", solved.residual)
        influences.warn_unconverged(solved)
        return raw

    def _solve(self, network: torch.nn.Module, gone: Points, others: Points, seed: int):
        size = sum(parameter.numel() for parameter in network.parameters())
        if size > influences.DENSE and len(gone) > self.most_points:
            raise ValueError(
                f"weights: hessian over {size} parameters solves a system for each of "
                f"{len(gone)} deleted points; allowed: most_points: {self.most_points}"
            )
        probes = seeding.derive(seed, "probes")
        return GaussNewton(network, others, self.damping, influences.cross_entropy, probes)


def _seen(task: Task, ids: np.ndarray) -> Points:
    index = points(ids).to(task.machine.device)
    data = task.data
    return Points(normalised(data.train_images[index], data), data.train_labels[index])
