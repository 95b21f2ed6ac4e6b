"""What can be said of small noise on images before any is made.

Numpy and torch are not needed: the plan of a study asks here.
"""

from unlearn.models import architectures

LEVELS = 255
"""The largest value of a pixel."""

MOST = 127
"""The largest noise: it is stored in 8 bits, with a sign."""


def whole(radius: float) -> int:
    """The whole steps of a pixel within a radius, though 8 / 255 times 255 be rounded down."""
    return int(radius + 1e-6)


def check(
    *,
    epsilon: float,
    step: float | None = None,
    model: str | None = None,
    size: int | None = None,
    **_,
) -> None:
    """ValueError for parameters of noise that do not fit each other, or the images."""
    if not 1 <= epsilon * LEVELS < MOST + 1:
        raise ValueError(
            f"epsilon: {epsilon} is less than one step of a pixel or more than {MOST}; "
            f"allowed: 1/{LEVELS} to {MOST}/{LEVELS}"
        )
    if step is not None and step > epsilon:
        raise ValueError(f"step: {step} is more than epsilon; allowed: up to {epsilon}")
    if model is not None:
        architectures.check(model, size)
