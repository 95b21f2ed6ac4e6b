"""The limits of small noise on images, known before any noise is made.

Importable without numpy and torch: the plan of a study checks them.
"""

import math
from typing import Literal, NamedTuple

from unlearn.core.parameters import parameter
from unlearn.data.source import LEVELS

MAX_NOISE = 127
"""The largest noise, in steps of a pixel: it is stored in 8 bits, with a sign."""


class NoiseBound(NamedTuple):
    """The largest noise on an image."""

    norm: Literal["linf", "l2"]
    budget: float
    """The largest norm of the noise on an image; the range of a pixel is 1."""


def epsilon_parameter() -> float:
    """The field `epsilon`."""
    text = "The largest change of a pixel, as a share of its range; 0.0314 is 8 of 255."
    return parameter(0.0314, above=0, below=1, help=text)


def step_parameter() -> float | None:
    """The field `step`."""
    text = "A step of the noise, in the unit of epsilon and not above it; null takes epsilon / 10."
    return parameter(None, above=0, help=text)


def whole_steps(radius: float) -> int:
    """The whole steps of a pixel within a radius; 8 / 255 * 255 is 8, whatever its rounding."""
    return int(radius + 1e-6)


def check(epsilon: float, step: float | None = None) -> None:
    """ValueError for parameters of noise that do not fit each other, or the images."""
    if not 1 <= epsilon * LEVELS < MAX_NOISE + 1:
        raise ValueError(
            f"epsilon: {epsilon} is less than one step of a pixel or more than {MAX_NOISE}; "
            f"allowed: 1/{LEVELS} to {MAX_NOISE}/{LEVELS}"
        )
    if step is not None and step > epsilon:
        raise ValueError(f"step: {step} is more than epsilon; allowed: up to {epsilon}")


def check_budget(budget: float, shape: tuple[int, int, int]) -> None:
    """ValueError for an L2 norm that noise on images of a shape H, W, C cannot have.

    Spread over all pixels, it is a step of a pixel at least, and MAX_NOISE steps at most.
    """
    step = math.sqrt(math.prod(shape)) / LEVELS
    if not step <= budget <= MAX_NOISE * step:
        size = " x ".join(map(str, shape))
        raise ValueError(
            f"budget: {budget:g} is less than one step a pixel of images of {size}, or more than "
            f"{MAX_NOISE}; allowed: {step:.3g} to {MAX_NOISE * step:.3g}"
        )
