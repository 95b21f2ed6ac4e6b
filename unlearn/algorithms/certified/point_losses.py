"""Losses of one point as functions of its score, with the bounds that certificates rest on."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

Derivative = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes scores N and signs N, -1 or 1; returns N numbers."""


@dataclass(frozen=True)
class PointLoss:
    """A loss l(z, y) of a score z = w.x and a label y, -1 or 1, convex in z."""

    value: Derivative
    slope: Derivative
    """l', the derivative with respect to z."""
    curvature: Derivative
    """l''."""
    curvature_slope: Derivative
    """l'''."""
    lipschitz: float
    """The Lipschitz constant of l'' that the paper takes, no less than the true one."""
    max_curvature_slope: float
    """The least upper bound of |l'''|: the true Lipschitz constant of l''."""


def _logistic_curvature(scores: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(scores) * torch.sigmoid(-scores)


def _logistic_curvature_slope(scores: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    return -_logistic_curvature(scores, signs) * torch.tanh(scores / 2)


LOGISTIC = PointLoss(
    value=lambda scores, signs: functional.softplus(-signs * scores),
    slope=lambda scores, signs: -signs * torch.sigmoid(-signs * scores),
    curvature=_logistic_curvature,
    curvature_slope=_logistic_curvature_slope,
    lipschitz=1 / 4,
    max_curvature_slope=1 / (6 * math.sqrt(3)),
)
"""ln(1 + exp(-y z)). |l'''| = p (1 - p) |1 - 2 p| has its maximum at p = 1/2 +- 1/sqrt(12)."""
