"""What certified removal has spent: bounds on the residual gradient, request by request.

Importable without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from unlearn.certificates import privacy
from unlearn.certificates.chains import Deletion
from unlearn.certificates.record import Certificate, recompute
from unlearn.core.guarantee import Guarantee

LEVEL = Guarantee(
    "approximate",
    "the residual gradient is bounded at the drawn noise, not at all noise that could have been",
    serves=("delete",),
)
"""The level of certified removal, and why it is no higher."""

REFERENCE = (
    "the minimum of the same loss without the deleted points, with a random linear term of its own"
)

MAX_PAPER_EPSILON = 1
"""The largest epsilon for which the paper's relation of noise and epsilon holds."""


@dataclass(frozen=True)
class RemovalLedger:
    """The requests since the weights were last trained, for C classifiers."""

    residual: np.ndarray
    """r_0, float64 C: the norm of the gradient that training has left."""
    beta: np.ndarray
    """float64 R x C: what each request adds to the bound on that norm."""
    points: np.ndarray
    """int64 R + 1: the training points after training, and after each request."""
    norm: float
    """|X|_2, the largest singular value of the inputs of the first training."""
    restarts: int
    """How often the budget was spent and the model trained again."""

    @classmethod
    def read(cls, state: Mapping) -> RemovalLedger:
        """The ledger of a state, copied."""
        return cls(
            residual=np.asarray(state["removal/residual"]).copy(),
            beta=np.asarray(state["removal/beta"]).copy(),
            points=np.asarray(state["removal/points"]).copy(),
            norm=float(state["removal/norm"]),
            restarts=int(state["removal/restarts"]),
        )

    @classmethod
    def of_training(
        cls, residual: np.ndarray, points: int, norm: float, restarts: int = 0
    ) -> RemovalLedger:
        """The ledger of a model that was just trained.

        Args:
            residual: The norms of the gradients, C.
            points: The training points.
            norm: |X|_2 of the first training.
            restarts: How often the model was trained again before.
        """
        no_requests = np.zeros((0, len(residual)))
        return cls(residual, no_requests, np.array([points]), norm, restarts)

    def tensors(self) -> dict[str, np.ndarray]:
        """The inverse of `read`."""
        return {
            "removal/residual": self.residual,
            "removal/beta": self.beta,
            "removal/points": self.points,
            "removal/norm": np.array(self.norm),
            "removal/restarts": np.array(self.restarts),
        }

    def after(self, bounds: np.ndarray, deleted_points: int) -> RemovalLedger:
        """The ledger after a request that adds `bounds`, C, and deletes so many points."""
        beta = np.concatenate([self.beta, bounds[None]])
        points = np.append(self.points, self.points[-1] - deleted_points)
        return replace(self, beta=beta, points=points)

    def bounds(self) -> tuple[float, ...]:
        """The bound on the norm of the residual gradient of each classifier."""
        columns = zip(self.residual, *self.beta, strict=True)
        return tuple(math.fsum(column) for column in columns)

    def total(self) -> float:
        """The bound for all classifiers as one vector."""
        return math.hypot(*self.bounds())

    def certificate(self, sigma: float, delta: float) -> Certificate:
        """The claim about the model of this ledger, with random terms of this `sigma`."""
        requests = zip(self.points[:-1], self.points[1:], self.beta, strict=True)
        deletions = (
            Deletion(int(before - after), int(before), beta=tuple(map(float, beta)))
            for before, after, beta in requests
        )
        certificate = Certificate(
            rule="removal",
            level=LEVEL.level,
            reason=LEVEL.reason,
            reference=REFERENCE,
            delta=delta,
            noise=sigma,
            ledger=tuple(deletions),
            learning_beta=tuple(map(float, self.residual)),
            gap=0.0,
            mu=0.0,
            epsilon=0.0,
        )
        return replace(certificate, **recompute(certificate)._asdict())


def removal_budget(kind: str, epsilon: float, delta: float, sigma: float) -> float:
    """The largest norm of the residual gradient that keeps (epsilon, delta).

    `exact` is sigma mu(epsilon, delta). `paper` is sigma epsilon / sqrt(2 ln(1.5 / delta)), the
    tail bound of Guo et al., which is smaller and holds for epsilon up to 1.
    """
    if kind == "exact":
        return sigma * privacy.mu_of(epsilon, delta)
    return sigma * epsilon / math.sqrt(2 * math.log(1.5 / delta))
