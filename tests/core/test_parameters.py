"""Parameters of components: what a class of fields accepts, and the schema made from it."""

import dataclasses
import math

import jsonschema
import pytest

from unlearn.core import parameters, registry
from unlearn.core.parameters import Parameters, parameter
from unlearn.training.recipe import Recipe


class Example(Parameters):
    """An example
    of two lines.

    A second paragraph.
    """

    count: int = parameter(3, minimum=1, maximum=9, help="How many.")
    rate: float = parameter(0.5, above=0, below=1)
    share: float | None = parameter(None, minimum=0)
    kind: str = parameter("a", choices=("a", "b"))
    tie: str | None = parameter(None, choices=("x", None))
    name: str = parameter("abc", pattern=r"^[a-z]+$")
    flag: bool = parameter(False)
    values_of: list | None = parameter(None)


class Required(Parameters):
    """One parameter must be given."""

    label: int = parameter(minimum=0)
    seed: int = parameter(0, minimum=0)


class Pair(Parameters):
    """Parameters that must fit each other."""

    low: int = parameter(0)
    high: int = parameter(1)

    def validate(self):
        """Raise ValueError unless low is below high."""
        if self.low >= self.high:
            raise ValueError(f"low: {self.low} is not below high: {self.high}")


def test_parameters_have_their_defaults():
    assert Example().values() == {
        "count": 3,
        "rate": 0.5,
        "share": None,
        "kind": "a",
        "tie": None,
        "name": "abc",
        "flag": False,
        "values_of": None,
    }
    assert Example(count=4) == Example(count=4) != Example()
    assert dataclasses.replace(Example(count=4), rate=0.1).values()["count"] == 4


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("count", 0, "integer between 1 and 9"),
        ("count", 10, "integer between 1 and 9"),
        ("count", 2.5, "integer between 1 and 9"),
        ("count", True, "integer"),
        ("count", "3", "integer"),
        ("count", None, "integer"),
        ("count", math.inf, "integer"),
        ("rate", 0, "number between 0 and 1, both excluded"),
        ("rate", 1, "number between 0 and 1, both excluded"),
        ("rate", math.nan, "number"),
        ("rate", True, "number"),
        ("rate", "0.5", "number"),
        ("rate", 10**400, "number"),
        ("share", -0.1, r"number between 0 and 1e\+30 or null"),
        ("share", math.inf, r"number between 0 and 1e\+30 or null"),
        ("share", 1e31, r"number between 0 and 1e\+30 or null"),
        ("kind", "c", "string a, b"),
        ("kind", None, "string a, b"),
        ("tie", "y", "string x, null$"),
        ("name", "A1", r"string like \^\[a-z\]\+\$"),
        ("name", "abc\n", r"string like \^\[a-z\]\+\$"),
        ("name", 3, "string"),
        ("flag", 1, "boolean"),
        ("flag", "true", "boolean"),
        ("flag", None, "boolean"),
        ("values_of", 5, "array or null"),
        ("values_of", "abc", "array or null"),
    ],
)
def test_an_error_names_parameter_value_and_what_is_allowed(name, value, allowed):
    with pytest.raises(
        ValueError, match=rf"^{name}: .* is not allowed; allowed: {allowed}"
    ) as error:
        Example(**{name: value})
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"count": 1}, {"count": 1}),
        ({"count": 9.0}, {"count": 9}),
        ({"rate": 0.999}, {"rate": 0.999}),
        ({"share": 5}, {"share": 5.0}),
        ({"share": None}, {"share": None}),
        ({"tie": None}, {"tie": None}),
        ({"tie": "x"}, {"tie": "x"}),
        ({"flag": True}, {"flag": True}),
        ({"values_of": [1, 2]}, {"values_of": [1, 2]}),
    ],
    ids=str,
)
def test_values_are_kept_in_the_type_of_their_field(given, values):
    component = Example(**given)
    for name, value in values.items():
        assert getattr(component, name) == value
        assert type(getattr(component, name)) is type(value)


def test_components_are_frozen_and_take_keywords_only():
    component = Example()
    with pytest.raises(dataclasses.FrozenInstanceError):
        component.count = 4
    with pytest.raises(TypeError):
        Example(4)
    with pytest.raises(TypeError, match="unknown"):
        Example(unknown=4)


def test_a_parameter_without_a_default_must_be_given():
    with pytest.raises(TypeError, match="label"):
        Required()
    assert Required(label=0).values() == {"label": 0, "seed": 0}
    assert parameters.schema(Required)["required"] == ["label"]
    assert "required" not in parameters.schema(Example)
    assert "default" not in parameters.schema(Required)["properties"]["label"]


def test_parameters_that_do_not_fit_each_other_are_refused():
    assert Pair(low=3, high=4).high == 4
    with pytest.raises(ValueError, match="low: 3 is not below high: 3"):
        Pair(low=3, high=3)
    with pytest.raises(ValueError, match="low: 3 is not below high: 3"):
        dataclasses.replace(Pair(low=1, high=3), low=3)


def test_the_schema_says_what_the_fields_say():
    block = parameters.schema(Example)
    assert block["description"] == "An example of two lines."
    assert block["type"] == "object" and block["additionalProperties"] is False
    assert block["properties"] == {
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": 9,
            "description": "How many.",
            "default": 3,
        },
        "rate": {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "default": 0.5,
        },
        "share": {"type": ["number", "null"], "minimum": 0, "maximum": 1e30, "default": None},
        "kind": {"enum": ["a", "b"], "default": "a"},
        "tie": {"enum": ["x", None], "default": None},
        "name": {"type": "string", "pattern": "^[a-z]+$", "default": "abc"},
        "flag": {"type": "boolean", "default": False},
        "values_of": {"type": ["array", "null"], "default": None},
    }


# -- over all registered components ----------------------------------------------------------------

COMPONENTS = [
    *(
        registry.find(family, name)
        for family in registry.FAMILIES
        for name in registry.names(family)
    ),
    Recipe,
    Example,
    Required,
]
FIELDS = [
    pytest.param(component, name, field, id=f"{component.__module__}.{component.__name__}.{name}")
    for component in COMPONENTS
    for name, field in parameters.fields(component).items()
]
PROBES = [None, True, False, 0, 1, -1, 7, 2.0, 0.5, -0.5, 1.5, 10**9, "", "text", [], [1], {}]
"""Values of all types that JSON has."""


def outside(field):
    """Values just outside the limits of a field, and of other types."""
    limits = field.limits
    step = 1 if field.kind is int else 1e-9
    values = [5 if field.kind in (str, dict) else "text", {"a": 1}]
    if not field.optional:
        values.append(None)
    if limits.minimum is not None:
        values.append(limits.minimum - step)
    if limits.maximum is not None:
        values.append(max(limits.maximum + step, limits.maximum * (1 + 1e-9)))
    values += [end for end in (limits.above, limits.below) if end is not None]
    if limits.choices is not None:
        values.append("none of the choices")
    if field.kind is int:
        values.append(1.5)
    if field.kind is not bool:
        values.append(True)
    return values


def inside(field):
    """Values at the limits of a field, or just within."""
    limits = field.limits
    values = [] if field.required else [field.default]
    if limits.choices is not None:
        return values + list(limits.choices)
    values += [end for end in (limits.minimum, limits.maximum) if end is not None]
    if limits.above is not None:
        values.append(limits.above + (1 if field.kind is int else 1e-9))
    if limits.below is not None:
        values.append(limits.below - (1 if field.kind is int else 1e-9))
    if field.optional:
        values.append(None)
    if field.kind is str and limits.pattern is None:
        values.append("text")
    return values


def others(component, name):
    """Values for the required parameters beside one."""
    return {
        other: inside(field)[0]
        for other, field in parameters.fields(component).items()
        if field.required and other != name
    }


def is_valid(component, block):
    return jsonschema.Draft202012Validator(parameters.schema(component)).is_valid(block)


@pytest.mark.parametrize(("component", "name", "field"), FIELDS)
def test_what_lies_outside_its_limits_is_refused_twice(component, name, field):
    """By the schema of studies, and by the constructor, which is the Python API."""
    for value in outside(field):
        block = others(component, name) | {name: value}
        assert not is_valid(component, block), value
        with pytest.raises(ValueError, match=rf"^{name}: .* is not allowed; allowed: "):
            component(**block)


@pytest.mark.parametrize(("component", "name", "field"), FIELDS)
def test_what_lies_within_its_limits_is_accepted_twice(component, name, field):
    """Parameters that must fit each other aside."""
    for value in inside(field):
        assert is_valid(component, others(component, name) | {name: value}), value
        expected = {"name": value} if field.kind is dict else value
        assert field.checked(name, value) == expected


@pytest.mark.parametrize(("component", "name", "field"), FIELDS)
def test_schema_and_constructor_agree_on_values_of_all_types(component, name, field):
    for value in PROBES:
        try:
            field.checked(name, value)
            accepted = True
        except ValueError:
            accepted = False
        assert is_valid(component, others(component, name) | {name: value}) == accepted, value


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_every_component_is_described(component):
    block = parameters.schema(component)
    jsonschema.Draft202012Validator.check_schema(block)
    assert block["description"].endswith(".")
    assert list(block["properties"]) == [field.name for field in dataclasses.fields(component)]
    assert not is_valid(component, {"no such parameter": 1})
    with pytest.raises(TypeError):
        component(no_such_parameter=1)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_a_component_is_made_again_from_its_values(component):
    try:
        one = component(**others(component, None))
    except ValueError:  # a sampler needs a rate or a count, and so on
        names = parameters.fields(component)
        one = component(**({"ids": [1]} if "ids" in names else {"pairs": 1}))
    assert component(**one.values()) == one


@pytest.mark.parametrize(
    "search",
    [
        (2, 10),
        ("banana", 1),
        ("log", 10, 2),
        ("log", 0, 1),
        [1, 2],
        ("choice", ()),
        ("uniform", 1, 9),
    ],
)
def test_a_search_space_that_is_none_is_refused(search):
    with pytest.raises(ValueError, match=r"search: .* is not allowed"):
        parameter(2.0, above=0, maximum=5, search=search)


@pytest.mark.parametrize("search", [("log", 0.1, 1), ("uniform", 1, 5), ("choice", (1, 2))])
def test_a_search_space_lies_within_the_limits(search):
    parameter(2.0, above=0, maximum=5, search=search)
