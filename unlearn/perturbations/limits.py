"""The limits of small noise on images, known before any noise is made.

Importable without numpy and torch: the plan of a study checks them.
"""

from unlearn.core.parameters import parameter
from unlearn.data.source import LEVELS

MAX_NOISE = 127
"""The largest noise, in steps of a pixel: it is stored in 8 bits, with a sign."""


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
