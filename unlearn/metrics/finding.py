"""A value with its interval, or the reason why there is none."""

from dataclasses import dataclass
from typing import NamedTuple


class Difference(NamedTuple):
    """A paired difference to doing nothing."""

    value: float
    low: float
    """The lower end of its 95 % interval."""
    high: float
    p: float
    """The p value of no difference."""


@dataclass(frozen=True)
class Finding:
    """What an audit reads; a value that does not exist is None, never NaN."""

    value: float | None
    """The estimate; None where the data allow none."""
    low: float | None = None
    """The lower end of its 95 % interval; None where there is no interval."""
    high: float | None = None
    """The upper end."""
    error: float | None = None
    """The standard error over models; None where there is none."""
    n: int = 0
    """The number of independent units behind the value, such as models."""
    reason: str = ""
    """Why `value` is None; empty where it is not."""
    difference: Difference | None = None
    """To doing nothing, where both can be compared in pairs."""
