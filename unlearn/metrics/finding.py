"""The result of an audit: a value, or the reason why there is none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A value with its interval and the number of models behind it."""

    value: float | None
    """None where the metric is not defined; `reason` says why."""
    low: float | None = None
    """Lower end of the 95 % interval; None where there is none."""
    high: float | None = None
    """Upper end of the 95 % interval; None where there is none."""
    n: int = 0
    """The number of models that the value is computed from."""
    reason: str = ""
    """Why the value is None, in one line; empty where there is a value."""
