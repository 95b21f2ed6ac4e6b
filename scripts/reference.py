"""The reference page of all components, generated from the fields of their classes.

    python -m scripts.reference [--output docs/reference/parameters.md]

A test fails where the page is not what the command makes.
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unlearn.core import parameters, registry
from unlearn.core.parameters import Field, Limits, Parameters
from unlearn.study.schema import definition
from unlearn.study.sections import DatasetOptions, MethodOptions, ModelOptions
from unlearn.training.recipe import Recipe
from unlearn.training.relearning import Relearning

PAGE = Path("docs/reference/parameters.md")

HEAD = """\
<!-- made by `python -m scripts.reference` from the fields of the components -->
# Parameters

Every parameter of every component that a study can name, by family.
"""

TITLES = {
    "data": "Data sets",
    "features": "Features",
    "models": "Models",
    "requests": "Requests",
    "trainers": "Trainers",
    "methods": "Methods",
    "noises": "Noises",
    "squeezes": "Squeezes",
    "figures": "Kinds of figure",
}
"""Family -> title of its section, in the order of the page."""

INTRODUCTIONS = {
    "data": "Section `datasets` of a study. All data sets have the first two tables.",
    "features": "Option `features` of a data set.",
    "models": "Section `models` of a study. All models have the first table.",
    "requests": "Section `requests` of a study.",
    "trainers": "A method names its trainer. The block of a method takes these parameters as well.",
    "methods": "Section `methods` of a study.",
    "noises": "Section `noises` of a study; option `noise` of a data set.",
    "squeezes": "Section `squeezes` of a study; option `squeeze` of a data set.",
    "figures": "Key `kind` of the figure of an experiment.",
}

NO_FIELDS: Mapping[str, Field] = MappingProxyType({})

POPULATION_KEY = "Key `population` of an experiment: a block or a list of blocks."
TUNING_KEY = "Key `tuning` of a study: one block."

TABLE_HEAD = ("parameter", "type", "default", "allowed", "help")


def page() -> str:
    """The whole page, in Markdown."""
    families = map(family_section, TITLES)
    blocks = [
        schema_section("Populations", "population", POPULATION_KEY),
        schema_section("Tuning", "tuning", TUNING_KEY),
    ]
    sections = [HEAD, *families, recipe_section(), relearning_section(), *blocks]
    return "\n".join(sections)


def family_section(family: str) -> str:
    """The section of a family: a summary and a table for each component."""
    lines = [f"## {TITLES[family]}", "", INTRODUCTIONS[family], ""]
    shared_fields: dict[str, Field] = {}
    for title, component in _shared_parameters(family):
        lines += _entry(title, component)
        shared_fields |= parameters.fields(component)
    for name in registry.names(family):
        lines += _entry(f"`{name}`", registry.find(family, name), shared_fields)
    return "\n".join(lines)


def recipe_section() -> str:
    """The section of recipes, which are all of one kind."""
    lines = ["## Recipes", "", "Section `recipes` of a study.", ""]
    return "\n".join([*lines, *_entry("`standard`", Recipe)])


def relearning_section() -> str:
    """The section of relearning, a key of experiments."""
    lines = ["## Relearning", "", "Key `relearning` of an experiment.", ""]
    return "\n".join([*lines, *_entry("`relearning`", Relearning)])


def schema_section(title: str, key: str, introduction: str) -> str:
    """The section of a block that the schema of studies describes, below `introduction`."""
    block = definition(key)
    lines = [f"## {title}", "", introduction]
    lines += ["", f"### `{key}`", "", block["description"], ""]
    lines += [_row(TABLE_HEAD), _row(["---"] * len(TABLE_HEAD))]
    lines += [_row(_schema_cells(block, name)) for name in block["properties"]]
    return "\n".join([*lines, ""])


def _schema_cells(block: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The cells of a property of a JSON schema, in the order of `TABLE_HEAD`."""
    rules = block["properties"][name]
    choices = rules.get("enum")
    types = rules.get("type", "string")
    kind = types if isinstance(types, str) else " or ".join(types)
    limits = Limits(
        minimum=rules.get("minimum"),
        maximum=rules.get("maximum"),
        choices=None if choices is None else tuple(choices),
    )
    default = "required" if name in block.get("required", ()) else ""
    if "default" in rules:
        default = _json(rules["default"])
    return f"`{name}`", kind, default, limits.text(), rules["description"]


def _shared_parameters(family: str) -> Iterator[tuple[str, type[Parameters]]]:
    """The parameters that all components of a family have, with a title."""
    if family == "data":
        first = registry.find(family, registry.names(family)[0])
        bases = {base.__name__: base for base in first.__mro__}
        yield "Points and pixels", bases[registry.FAMILIES[family].base]
        yield "Recipe, features, noise and squeeze", DatasetOptions
    if family == "models":
        yield "Recipe", ModelOptions
    if family == "methods":
        yield "Tuning", MethodOptions


def _entry(
    title: str, component: type[Parameters], shared_fields: Mapping[str, Field] = NO_FIELDS
) -> list[str]:
    """Title, summary and table of a component, without the parameters in `shared_fields`."""
    fields = parameters.fields(component)
    rows = {name: field for name, field in fields.items() if shared_fields.get(name) != field}
    lines = [f"### {title}", "", parameters.summary(component), ""]
    return [*lines, *_table(rows), ""] if rows else lines


def parameter_table(component: type[Parameters]) -> list[str]:
    """The table of all parameters of a component, line by line."""
    return _table(parameters.fields(component))


def _table(fields: Mapping[str, Field]) -> list[str]:
    head = [_row(TABLE_HEAD), _row(["---"] * len(TABLE_HEAD))]
    return [*head, *(_row(_cells(name, field)) for name, field in fields.items())]


def _cells(name: str, field: Field) -> tuple[str, ...]:
    """The cells of a parameter, in the order of `TABLE_HEAD`."""
    limits = field.limits
    kind = field.type_text + (" or null" if field.optional else "")
    default = "required" if field.default is dataclasses.MISSING else _json(field.default)
    allowed = limits.text() or (f"text that matches `{limits.pattern}`" if limits.pattern else "")
    return f"`{name}`", kind, default, allowed, limits.help


def _json(value: Any) -> str:
    """A default as a study writes it."""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=PAGE)
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
