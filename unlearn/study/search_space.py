"""The points of a search space that tuning tries: the parameters of its trials.

A low-discrepancy sequence fills the space evenly from its first points on, so that few trials tell
much and more trials keep the earlier ones (Halton, "Algorithm 247: Radical-inverse quasi-random
point sequence", CACM 1964). The plan of a study computes it, so no library is imported.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from unlearn.core import parameters
from unlearn.core.parameters import Field, Parameters

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
"""The bases of the sequence, one a parameter."""

SIGNIFICANT_DIGITS = 3
"""Digits of a number in a trial, so that its name can be read."""

DRAWS_PER_TRIAL = 50
"""Points that are drawn for each trial before a space counts as exhausted."""


def searched(component: type[Parameters], fixed: Collection[str] = ()) -> tuple[str, ...]:
    """The parameters of a component that have a search space and no fixed value."""
    fields = parameters.fields(component)
    return tuple(
        name
        for name, field in fields.items()
        if field.limits.search is not None and name not in fixed
    )


def trials(
    component: type[Parameters], values: Mapping[str, Any], names: Collection[str], count: int
) -> list[dict[str, Any]]:
    """The parameters of up to `count` trials; fewer where the space has no more points.

    Args:
        component: The class of the method.
        values: All parameters as the study gives them: the first trial.
        names: Those that are searched.
        count: The number of trials.
    """
    fields = parameters.fields(component)
    drawn_trials = [dict(values)]
    for point in _points(len(names), DRAWS_PER_TRIAL * count):
        if len(drawn_trials) == count:
            break
        drawn = {
            name: _value(fields[name], share) for name, share in zip(names, point, strict=True)
        }
        trial = {**values, **drawn}
        if trial not in drawn_trials and _is_allowed(component, trial):
            drawn_trials.append(trial)
    return drawn_trials


def _points(dimensions: int, count: int) -> Iterator[tuple[float, ...]]:
    """The first points of the sequence in (0, 1)^dimensions; the corner at 0 is left out."""
    for index in range(1, count + 1):
        yield tuple(_radical_inverse(index, base) for base in PRIMES[:dimensions])


def _radical_inverse(index: int, base: int) -> float:
    """The digits of an index in a base, mirrored at the point."""
    inverse = 0.0
    unit = 1.0 / base
    while index:
        index, digit = divmod(index, base)
        inverse += digit * unit
        unit /= base
    return inverse


def _value(field: Field, share: float) -> Any:
    """The value of a parameter at a share of its search space."""
    kind, *span = field.limits.search
    if kind == "choice":
        (options,) = span
        return options[int(share * len(options))]
    low, high = span
    is_log = kind == "log"
    number = low * (high / low) ** share if is_log else low + share * (high - low)
    if field.kind is int:
        return round(number)
    digits = SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(number))) if number else 0
    return min(max(round(number, digits), low), high)


def _is_allowed(component: type[Parameters], values: Mapping[str, Any]) -> bool:
    """Whether parameters fit each other."""
    try:
        component(**values)
    except ValueError:
        return False
    return True
