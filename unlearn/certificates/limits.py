"""Errors for numbers out of range: one line with the name, the value and what is allowed."""

import math
from numbers import Integral


def check_nonnegative(name: str, value: float, *, infinite: bool = False) -> None:
    """Raises ValueError unless `value` is at least 0, and finite where not `infinite`."""
    if not value >= 0 or (math.isinf(value) and not infinite):
        numbers = "numbers" if infinite else "finite numbers"
        raise ValueError(f"{name}: {value!r} is not allowed; allowed: {numbers} of at least 0")


def check_positive(name: str, value: float) -> None:
    """Raises ValueError unless `value` is finite and above 0."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: {value!r} is not allowed; allowed: finite numbers above 0")


def check_probability(name: str, value: float) -> None:
    """Raises ValueError unless `value` lies between 0 and 1, both excluded."""
    if not 0 < value < 1:
        raise ValueError(f"{name}: {value!r} is not allowed; allowed: numbers between 0 and 1")


def check_count(name: str, value: int, least: int = 0, most: float = math.inf) -> None:
    """Raises ValueError unless `value` is a whole number in this range."""
    if not isinstance(value, Integral) or not least <= value <= most:
        end = "on" if math.isinf(most) else f"to {most}"
        raise ValueError(
            f"{name}: {value!r} is not allowed; allowed: whole numbers from {least} {end}"
        )
