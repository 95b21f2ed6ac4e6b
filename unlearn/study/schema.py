"""The schemas of a study: defaults, allowed values, and errors that say what is allowed."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

FILE = Path(__file__).with_name("study.schema.yaml")


class InvalidError(ValueError):
    """A value that a schema forbids; `path` leads to it from the checked instance."""

    def __init__(self, path: str, message: str):
        super().__init__(message)
        self.path = path


@cache
def study_schema() -> dict:
    """The schema of the top level of a study."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def definition(name: str) -> dict:
    """A part of the schema of a study: `experiment`, `figure`, `picture`."""
    return study_schema()["$defs"][name]


def validate(config: Mapping) -> dict:
    """A configuration with the defaults of all its levels filled in.

    Raises InvalidError for a key, a type or a range that the schema forbids. Which components
    there are is not known here.
    """
    filled = with_defaults(extended(config), study_schema())
    check(filled, study_schema())
    experiments = {}
    for name, block in filled["experiments"].items():
        experiment = with_defaults(block, definition("experiment"))
        experiment["figure"] = with_defaults(experiment["figure"], definition("figure"))
        for key in ("seeds", "fleet"):
            experiment[key] = block.get(key, filled[key])
        experiments[name] = experiment
    pictures = {
        name: with_defaults(block, definition("picture"))
        for name, block in filled["pictures"].items()
    }
    return filled | {"experiments": experiments, "pictures": pictures}


def extended(config: Mapping, path: str = "") -> dict:
    """A configuration in which the lists at keys with a plus are added to those without it.

    A study that is laid over another one extends its list by `method+: [shrink]` instead of
    repeating it. A single value counts as a list of one.

    Raises InvalidError for a key that has no counterpart to extend.
    """
    merged: dict = {}
    extensions: dict[str, list] = {}
    for key, value in config.items():
        where = f"{path}.{key}".strip(".")
        if isinstance(key, str) and key.endswith("+"):
            extensions[key.removesuffix("+")] = _as_list(value)
        else:
            merged[key] = extended(value, where) if isinstance(value, Mapping) else value
    for key, extension in extensions.items():
        if isinstance(merged.get(key), bool | int | float):
            raise InvalidError(
                f"{path}.{key}+".strip("."), f"{key}: {merged[key]} is a number, not a list"
            )
        if key not in merged:
            raise InvalidError(f"{path}.{key}+".strip("."), f"there is no {key} to extend")
        merged[key] = [*_as_list(merged[key]), *extension]
    return merged


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, list) else [value]


def check(instance, schema: Mapping) -> None:
    """Raise InvalidError for the most telling violation of `schema`, if there is one."""
    _check_values(instance, ())
    validator = jsonschema.Draft202012Validator(schema)
    # of an anyOf take the whole, with its description, not one branch
    error = next(iter(sorted(validator.iter_errors(instance), key=_relevance)), None)
    if error is not None:
        raise InvalidError(".".join(map(str, error.absolute_path)), _explain(error))


def with_defaults(block: Mapping, schema: Mapping) -> dict:
    """`block` with the schema's defaults filled in and numbers in one form (5 becomes 5.0)."""
    filled = {k: p["default"] for k, p in schema["properties"].items() if "default" in p}
    filled |= block
    for key, value in filled.items():
        kinds = schema["properties"].get(key, {}).get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "number" in kinds and isinstance(value, int) and not isinstance(value, bool):
            filled[key] = float(value)
        elif "integer" in kinds and isinstance(value, float):
            filled[key] = int(value)
    return filled


def _relevance(error: jsonschema.ValidationError) -> tuple:
    return len(error.absolute_path), error.validator != "additionalProperties", error.message


def unknown(thing: str, value, allowed: Iterable[str]) -> str:
    """The message for a name that does not exist, with the nearest that does."""
    allowed = sorted(allowed)
    return f"unknown {thing} {value!r}; allowed: {', '.join(allowed) or 'nothing'}" + _hint(
        value, allowed
    )


def _check_values(value: Any, path: tuple[str, ...]) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidError(".".join(path), f"{value} is not a finite number")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidError(
                    ".".join(path), f"the key {key!r} must be text; put it in quotes"
                )
            _check_values(inner, (*path, key))
    elif isinstance(value, list):
        if not value:
            raise InvalidError(".".join(path), "an empty list selects nothing")
        for inner in value:
            _check_values(inner, path)


def _explain(error: jsonschema.ValidationError) -> str:
    message = error.message
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
        properties = error.schema.get("properties", {})
        extra = [key for key in error.instance if key not in properties]
        return unknown("key", extra[0], properties)
    if error.validator == "anyOf" and "description" in error.schema:
        return f"{error.instance!r} is not allowed: {error.schema['description'].strip()}"
    if error.validator == "pattern" and error.validator_value.startswith("^[^"):
        return f"{error.instance!r} must not contain braces"
    if error.validator == "pattern":
        return f"{error.instance!r} is not allowed; use letters, digits and _ only"
    number = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"
    text = error.instance
    if error.validator == "type" and isinstance(text, str) and re.fullmatch(number, text, re.I):
        return f"{message}: YAML reads {text} as text; write it as a number, {float(text)!r}"
    return message


def _hint(value: Any, allowed: list[str]) -> str:
    near = difflib.get_close_matches(str(value), allowed, 1)
    return f". Did you mean {near[0]}?" if near else ""
