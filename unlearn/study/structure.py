"""The form of a configuration, before any schema: plain values, of a bounded number and size."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from unlearn.study.messages import InvalidError, excerpt

MAX_LEVELS = 16
"""Levels of lists and blocks in each other; an alias that contains itself has no end of them."""

MAX_VALUES = 20_000
"""Values of a study, where each alias counts as often as it stands there."""

MAX_LETTERS = 5_000
"""Letters of a text."""

MAX_WHOLE_NUMBER = 2**53
"""The largest whole number that JSON keeps exactly."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Letters that no file name and no command can hold."""

DIRECTIVE = re.compile(r"\.\.\s+(\|[^|]*\|\s*)?[\w.+:-]+\s*::")
"""A directive of reStructuredText, such as `.. include::`; most of them read files."""


def check(config: Any) -> None:
    """Raise InvalidError unless a configuration is a finite tree of plain values.

    Nothing is expanded: a study that would take hours to expand is refused at once.
    """
    if not isinstance(config, Mapping):
        raise InvalidError("", f"{excerpt(config)} is no study; allowed: a block with keys")
    for position, (path, value) in enumerate(_values(config, (), 0)):
        if position == MAX_VALUES:
            reason = f"a study has at most {MAX_VALUES:,} values, aliases written out"
            raise InvalidError(path[0] if path else "", reason)
        problem = _problem(value)
        if problem is not None:
            raise InvalidError(".".join(map(excerpt_of_key, path)), problem)


def check_description(text: str, path: str) -> None:
    """Raise InvalidError for a caption with a directive, which would be carried out in the report.

    Args:
        text: The caption.
        path: Where it stands.
    """
    directive = DIRECTIVE.search(text)
    if directive is not None:
        directive_text = " ".join(directive[0].split())
        raise InvalidError(
            path,
            f"{directive_text!r} is a directive of reStructuredText; allowed: text without any",
        )


def check_folder(path: str, key: str) -> None:
    """Raise InvalidError for a path that no job can use.

    It has a line break, or a folder of more than 255 bytes, which no system has.
    """
    if "\n" in path:
        raise InvalidError(key, f"{excerpt(path)} has a line break; allowed: a path on one line")
    longest = max(path.split("/"), key=lambda part: len(part.encode()))
    size = len(longest.encode())
    if size > 255:
        raise InvalidError(key, f"{excerpt(longest)} has {size} bytes; allowed: 255 for a folder")


def excerpt_of_key(key: Any) -> str:
    """A key as part of a path."""
    is_short_text = isinstance(key, str) and 0 < len(key) <= 100
    return key if is_short_text else excerpt(key)


def _values(value: Any, path: tuple, level: int) -> Iterator[tuple[tuple, Any]]:
    """A value and all below it, with the keys that lead there."""
    if level > MAX_LEVELS:
        reason = f"is nested deeper than {MAX_LEVELS} levels; does an alias contain itself?"
        raise InvalidError(".".join(map(excerpt_of_key, path[:3])), reason)
    yield path, value
    if isinstance(value, Mapping):
        for key, inner_value in value.items():
            yield from _values(inner_value, (*path, key), level + 1)
    elif isinstance(value, list):
        for inner_value in value:
            yield from _values(inner_value, path, level + 1)


def _problem(value: Any) -> str | None:
    """What is wrong with one value, what is below it aside."""
    if isinstance(value, Mapping):
        return next(filter(None, map(_problem_of_key, value)), None)
    if isinstance(value, list):
        return None if value else "an empty list selects nothing"
    if isinstance(value, str):
        return _problem_of_text(value)
    if value is None or isinstance(value, int | float):
        return _problem_of_number(value or 0)
    allowed = "text, numbers, true, false, null, lists, blocks"
    return f"{excerpt(value)} is a {type(value).__name__}; allowed: {allowed}"


def _problem_of_key(key: Any) -> str | None:
    if not isinstance(key, str):
        return f"the key {excerpt(key)} must be text; put it in quotes"
    has_control = CONTROL_CHARACTERS.search(key) or "\n" in key
    return f"the key {excerpt(key)} has control characters" if has_control else None


def _problem_of_text(text: str) -> str | None:
    if len(text) > MAX_LETTERS:
        return f"{excerpt(text)} has {len(text):,} letters; allowed: {MAX_LETTERS:,}"
    has_control = CONTROL_CHARACTERS.search(text)
    return f"{excerpt(text)} has control characters" if has_control else None


def _problem_of_number(number: float) -> str | None:
    if isinstance(number, float) and not math.isfinite(number):
        return f"{number} is not a finite number"
    is_too_large = isinstance(number, int) and abs(number) > MAX_WHOLE_NUMBER
    return f"a number beyond {MAX_WHOLE_NUMBER:,} is too large" if is_too_large else None
