"""What a study is refused with: one line that says the value and what is allowed."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import jsonschema

from unlearn.core.parameters import Limits

MAX_EXCERPT_LETTERS = 100
"""Letters of a value that a message repeats."""

MAX_LETTERS = 3_000
"""Letters of a message."""

NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"

METRIC_ON_SPLIT = "^[^/]+/[^/]+$"
"""The pattern of a metric on a split in the schema of studies."""

METRIC_ON_SPLIT_TEXT = "metric/split, as in accuracy/test"

RANGE_WORDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
"""The words of JSON Schema for the ends of a range, in the order of `Limits`."""

LENGTHS = {"maxLength": "letters", "maxItems": "values"}
"""The words of JSON Schema for the longest text or list, and what they count."""


class InvalidError(ValueError):
    """A value that is not allowed in a study; `path` leads to it from the checked instance."""

    def __init__(self, path: str, message: str):
        super().__init__(message)
        self.path = path


def excerpt(value: Any) -> str:
    """A value as Python writes it, cut if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    if len(text) <= MAX_EXCERPT_LETTERS:
        return text
    return f"{text[: MAX_EXCERPT_LETTERS - 3]}..."


def one_line(message: str) -> str:
    """A message without line breaks and other control characters, cut if it is long."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", message)
    return line if len(line) <= MAX_LETTERS else f"{line[: MAX_LETTERS - 3]}..."


def unknown(thing: str, value: Any, allowed: Iterable[str]) -> str:
    """The message for a name that does not exist, with the nearest that does."""
    names = sorted(allowed)
    message = f"unknown {thing} {excerpt(value)}; allowed: {', '.join(names) or 'nothing'}"
    return message + hint(value, names)


def hint(value: Any, allowed: Iterable[str]) -> str:
    """A question for the nearest of some names; empty if none is near.

    The last part of a name counts as near: `lr` for `method.lr`.
    """
    names = list(allowed)
    text = excerpt(value).strip("'\"")
    near = difflib.get_close_matches(text, names, 1)
    near = near or [name for name in names if name.rpartition(".")[2] == text]
    return f". Did you mean {near[0]}?" if near else ""


def explanation(error: jsonschema.ValidationError) -> str:
    """What a violation of a schema is, in words."""
    explain = _EXPLANATIONS.get(error.validator, _message)
    return explain(error)


def _message(error: jsonschema.ValidationError) -> str:
    """The message of the library, in which the value is cut if it is long."""
    return error.message.replace(repr(error.instance), excerpt(error.instance))


def _unknown_key(error: jsonschema.ValidationError) -> str:
    properties = error.schema.get("properties", {})
    extra_keys = [key for key in error.instance if key not in properties]
    return unknown("key", extra_keys[0], properties)


def _description(error: jsonschema.ValidationError) -> str:
    if "description" not in error.schema:
        return _message(error)
    text = " ".join(error.schema["description"].split())
    return f"{excerpt(error.instance)} is not allowed: {text}"


def _pattern(error: jsonschema.ValidationError) -> str:
    if "\n" in error.instance:
        return f"{excerpt(error.instance)} has a line break; allowed: text on one line"
    if error.validator_value == METRIC_ON_SPLIT:
        return f"{excerpt(error.instance)} is not allowed; allowed: {METRIC_ON_SPLIT_TEXT}"
    if error.validator_value.startswith("^[^"):
        return f"{excerpt(error.instance)} must not contain braces"
    return f"{excerpt(error.instance)} is not allowed; use letters, digits and _ only"


def _range(error: jsonschema.ValidationError) -> str:
    ends = [error.schema.get(word) for word in RANGE_WORDS]
    return f"{excerpt(error.instance)} is not allowed; allowed: {Limits(*ends).text()}"


def _length(error: jsonschema.ValidationError) -> str:
    count = f"{len(error.instance):,} {LENGTHS[error.validator]}"
    return f"{excerpt(error.instance)} has {count}; allowed: at most {error.validator_value:,}"


def _type(error: jsonschema.ValidationError) -> str:
    text = error.instance
    if not isinstance(text, str) or not re.fullmatch(NUMBER, text, re.I):
        return _message(error)
    cure = f"YAML reads {text} as text; write it as a number, {float(text)!r}"
    return f"{_message(error)}: {cure}"


def _enumeration(error: jsonschema.ValidationError) -> str:
    names = [name for name in error.validator_value if isinstance(name, str)]
    return _message(error) + hint(error.instance, names)


_EXPLANATIONS = {
    "additionalProperties": _unknown_key,
    "anyOf": _description,
    "pattern": _pattern,
    "type": _type,
    "enum": _enumeration,
    **dict.fromkeys(RANGE_WORDS, _range),
    **dict.fromkeys(LENGTHS, _length),
}
"""The words for the violations of each keyword of JSON Schema."""
