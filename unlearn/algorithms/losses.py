"""What forgetting minimises beside the plain cross-entropy: bounded ascent, distillation."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from unlearn.core import seeding


def bounded(losses: torch.Tensor, bound: float) -> torch.Tensor:
    """min(loss, bound) of every point, with a gradient of exactly 0 from the bound on.

    With the loss of a uniform prediction, ln C, as the bound, raising the loss of points cannot
    diverge. An infinite bound is none.
    """
    return torch.where(losses < bound, losses, bound)


def ascent(bound: float = math.inf) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """loss(logits, labels) that falls as the cross-entropy rises, up to `bound`."""

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return -bounded(functional.cross_entropy(logits, labels, reduction="none"), bound).mean()

    return loss


class Distillation:
    """The loss of a student, on minibatches of retained points followed by deleted ones.

        (1 - alpha) CE(student, label) + alpha D(teacher, student)      means over retained points
        - beta mean( w min(CE(student, label), bound) )                 over deleted points

    D is tau^2 KL(softmax(teacher / tau) || softmax(student / tau)) (Hinton, Vinyals, Dean 2015) for
    `match: kl`, and half the mean square over classes of the difference of centred logits for
    `match: logits`, to which the former tends as tau grows.
    """

    def __init__(self, *, alpha: float, match: str, temperature: float, beta: float, bound: float):
        self.alpha, self.match, self.temperature = alpha, match, temperature
        self.beta, self.bound = beta, bound
        self.active = torch.zeros((), dtype=torch.float64)
        self.seen = 0

    def targets(
        self, labels: torch.Tensor, teacher: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """What the loss must be told of every point: N x (2 + C), float32.

        `labels` N; `teacher` N x C, logits; `weights` N, of deleted points at least 0, of all
        others negative.
        """
        if self.match == "kl":
            soft = functional.log_softmax(teacher.float() / self.temperature, dim=1)
        else:
            soft = teacher.float() - teacher.float().mean(1, keepdim=True)
        return torch.cat([labels[:, None].float(), weights[:, None].float(), soft], dim=1)

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a minibatch; `targets` are rows of what `targets` returned."""
        weights = targets[:, 1]
        retained = int((weights < 0).sum())
        losses = functional.cross_entropy(logits, targets[:, 0].long(), reduction="none")
        loss = self.alpha * self._distance(logits[:retained], targets[:retained, 2:])
        loss = loss + (1 - self.alpha) * losses[:retained].mean()
        if retained < len(logits):
            gone = losses[retained:]
            self.active += (gone.detach() < self.bound).sum().cpu()
            self.seen += len(gone)
            loss = loss - self.beta * (weights[retained:] * bounded(gone, self.bound)).mean()
        return loss

    def _distance(self, logits: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
        if self.match == "logits":
            return 0.5 * (logits - logits.mean(1, keepdim=True) - soft).square().mean()
        own = functional.log_softmax(logits / self.temperature, dim=1)
        divergence = functional.kl_div(own, soft, reduction="batchmean", log_target=True)
        return self.temperature**2 * divergence


class Turns:
    """Points in a seeded random order, so many at a time, pass after pass."""

    def __init__(self, ids: np.ndarray, size: int, seed: int):
        self.ids, self.size, self.seed = ids, min(size, len(ids)), seed
        self._left, self._passes = ids[:0], 0

    def __call__(self) -> np.ndarray:
        """The next `size` ids; each comes once in a pass over all."""
        while len(self._left) < self.size:
            again = seeding.shuffled(self.ids, seeding.derive(self.seed, "pass", self._passes))
            self._left, self._passes = np.append(self._left, again), self._passes + 1
        found, self._left = self._left[: self.size], self._left[self.size :]
        return found
