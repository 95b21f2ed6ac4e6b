"""Constants of a loss that certificates rest on, each with its source.

The loss of a data set is the mean over its points plus weight decay. Bounds hold for all weights.
"""

import math
from dataclasses import dataclass

from unlearn.certificates.limits import check_nonnegative, check_positive

SOURCES = ("proved", "clipped", "estimated")
"""From architecture and recipe; enforced by clipping; seen on data. From the surest on."""


@dataclass(frozen=True)
class Constant:
    """A number and where it comes from: one of `SOURCES`."""

    value: float
    source: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"value: {self.value!r} is not allowed; allowed: finite numbers")
        if self.source not in SOURCES:
            allowed = ", ".join(SOURCES)
            raise ValueError(f"source: {self.source!r} is not allowed; allowed: {allowed}")


@dataclass(frozen=True)
class Constants:
    """What descent on a loss contracts by, and what one point can move it by."""

    gradient_bound: Constant
    """M: the largest norm of the gradient of one point, without weight decay."""
    smoothness: Constant
    """L: the Lipschitz constant of the gradient of the loss, weight decay included."""
    convexity: Constant
    """m: the loss less m/2 |w|^2 is convex. Weight decay counts; 0 if convex, -L in general."""

    def __post_init__(self) -> None:
        check_nonnegative("gradient_bound", self.gradient_bound.value)
        check_positive("smoothness", self.smoothness.value)
        if not abs(self.convexity.value) <= self.smoothness.value:
            raise ValueError(
                f"convexity: {self.convexity.value!r} is not allowed; allowed: numbers from "
                f"-{self.smoothness.value!r} to {self.smoothness.value!r}, the smoothness"
            )


def logistic_constants(radius: float, weight_decay: float) -> Constants:
    """The constants of binary logistic regression with labels -1 and 1.

    Args:
        radius: R, the largest norm of an input; a bias is one more input of value 1.
        weight_decay: m, the factor of |w|^2 / 2; it bounds the curvature from below.
    """
    check_positive("radius", radius)
    return _decayed_constants(radius, radius**2 / 4, weight_decay)


def softmax_constants(radius: float, weight_decay: float) -> Constants:
    """The constants of softmax regression; all weights count as one vector.

    A gradient is (p - e_y) x', and |p - e_y| is at most sqrt 2. The Hessian is the product of x x'
    and diag(p) - p p', which is at most 1/2 in norm.

    Args:
        radius: R, the largest norm of an input; a bias is one more input of value 1.
        weight_decay: m, the factor of |w|^2 / 2; it bounds the curvature from below.
    """
    check_positive("radius", radius)
    return _decayed_constants(math.sqrt(2) * radius, radius**2 / 2, weight_decay)


def contraction_factor(constants: Constants, rate: float) -> Constant:
    """rho: the Lipschitz constant of a step w - rate * gradient, with the weaker source.

    The eigenvalues of the Hessian lie between m and L. So it is max(|1 - rate m|, |1 - rate L|):
    1 - rate m where m > 0 and rate <= 2 / (L + m); 1 where m = 0 and rate <= 2 / L; and
    1 + rate L where m = -L, for losses that are not convex.
    """
    check_positive("rate", rate)
    m = constants.convexity
    smoothness = constants.smoothness
    rho = max(abs(1 - rate * m.value), abs(1 - rate * smoothness.value))
    return Constant(rho, max(m.source, smoothness.source, key=SOURCES.index))


def fastest_rate(constants: Constants) -> float:
    """2 / (L + m): the learning rate with the least contraction factor, (L - m) / (L + m)."""
    return 2 / (constants.smoothness.value + constants.convexity.value)


def _decayed_constants(gradient_bound: float, curvature: float, weight_decay: float) -> Constants:
    """Proved constants of a convex loss of this curvature and weight decay."""
    check_nonnegative("weight_decay", weight_decay)
    return Constants(
        gradient_bound=Constant(gradient_bound, "proved"),
        smoothness=Constant(curvature + weight_decay, "proved"),
        convexity=Constant(weight_decay, "proved"),
    )
