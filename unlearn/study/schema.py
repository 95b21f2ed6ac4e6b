"""The schemas of a study: defaults, allowed values, and errors that say what is allowed."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from unlearn.study import structure
from unlearn.study.messages import InvalidError, explanation

FILE = Path(__file__).with_name("study.schema.yaml")
CERTIFICATE_FILE = Path(__file__).with_name("certificate.schema.yaml")


@cache
def study_schema() -> dict:
    """The schema of the top level of a study."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@cache
def certificate_schema() -> dict:
    """The schema of a deletion certificate."""
    return yaml.safe_load(CERTIFICATE_FILE.read_text(encoding="utf-8"))


def definition(name: str) -> dict:
    """A part of the schema of a study: `experiment`, `figure`, `picture`."""
    return study_schema()["$defs"][name]


def validate(config: Mapping) -> dict:
    """A configuration with the defaults of all its levels filled in.

    Raises InvalidError for a key, a type or a range that the schema forbids. Which components
    there are is not known here.
    """
    structure.check(config)
    written = extended(config)
    check(written, study_schema())
    filled = with_defaults(written, study_schema())
    for key in ("results", "data"):
        structure.check_folder(filled[key], key)
    filled["tuning"] = with_defaults(filled["tuning"], definition("tuning"))
    experiments = {}
    for name, block in filled["experiments"].items():
        experiment = with_defaults(block, definition("experiment"))
        experiment["figure"] = with_defaults(experiment["figure"], definition("figure"))
        for key in ("seeds", "fleet"):
            experiment[key] = experiment.get(key, filled[key])
        experiments[name] = experiment
    pictures = {
        name: with_defaults(block, definition("picture"))
        for name, block in filled["pictures"].items()
    }
    audits = {
        name: with_defaults(block, definition("certificate_audit"))
        for name, block in filled["certificate_audits"].items()
    }
    sections = {"experiments": experiments, "pictures": pictures, "certificate_audits": audits}
    for section, blocks in sections.items():
        for name, block in blocks.items():
            structure.check_description(block["description"], f"{section}.{name}.description")
    return filled | sections


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


def check(instance: Mapping, schema: Mapping) -> None:
    """Raise InvalidError for the most telling violation of `schema`, if there is one."""
    # of an anyOf take the whole, with its description, not one branch
    error = min(Validator(schema).iter_errors(instance), key=_relevance, default=None)
    if error is not None:
        raise InvalidError(".".join(map(str, error.absolute_path)), explanation(error))


def _duplicates(
    _: Any, is_forbidden: bool, values: Any, schema: Mapping
) -> Iterator[jsonschema.ValidationError]:
    """The violation of `uniqueItems`, in a time that grows as the list does."""
    texts: set[str] = set()
    for value in values if is_forbidden and isinstance(values, list) else ():
        is_whole = isinstance(value, float) and value.is_integer()
        text = json.dumps(int(value) if is_whole else value, sort_keys=True)
        if text in texts:
            yield jsonschema.ValidationError(f"{text} is there twice")
            return
        texts.add(text)


def _unmatched(
    _: Any, pattern: str, text: Any, schema: Mapping
) -> Iterator[jsonschema.ValidationError]:
    """The violation of `pattern` by a text that does not match as a whole.

    In Python `$` matches before a line break at the end, too.
    """
    if isinstance(text, str) and not re.fullmatch(pattern, text):
        yield jsonschema.ValidationError(f"{text!r} does not match {pattern!r}")


Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"uniqueItems": _duplicates, "pattern": _unmatched}
)


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
