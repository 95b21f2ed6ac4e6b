"""Parameters of components: annotated fields with default, range, help and search space.

A component (a method, a trainer, a sampler, an architecture, ...) derives from `Parameters` and
declares its parameters as fields:

    class Shrink(Method):
        factor: float = parameter(0.9, above=0, maximum=1, help="What weights are multiplied by.")

The class becomes a frozen dataclass with keyword-only arguments, which checks its values. The
JSON schema of studies and the reference page are generated from the same fields.
"""

import dataclasses
import functools
import math
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

MAX_INTEGER = 2**32 - 1
"""The largest integer of parameters without a maximum: the largest seed that all libraries take."""

JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", list: "array"}

TYPE_NAMES = JSON_TYPES | {dict: "name or block"}
"""The types in words. A `dict` names a component: `finetune`, or `{name: finetune, epochs: 3}`."""

MAX_NUMBER = 1e30
"""The largest number of parameters without a maximum: float32 holds it, and its products by 1e8."""


MAXIMA = {int: MAX_INTEGER, float: MAX_NUMBER}
"""The maximum of a parameter that has none of its own, by type."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """The values that a parameter allows, and its search space."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    choices: tuple | None = None
    pattern: str | None = None
    help: str = ""
    search: tuple | None = None
    """`("log", low, high)`, `("uniform", low, high)` or `("choice", values)`; None is not tuned."""

    def __post_init__(self) -> None:
        if self.search is not None and not self._is_search_space():
            raise ValueError(
                f"search: {self.search!r} is not allowed; allowed: ('log', low, high) with low "
                "above 0, ('uniform', low, high), ('choice', (value, ...)), within the limits"
            )

    def _is_search_space(self) -> bool:
        """Whether the search space has one of the three forms and lies within the limits."""
        if not isinstance(self.search, tuple) or len(self.search) < 2:
            return False
        kind, *values = self.search
        if kind == "choice":
            (options,) = values if len(values) == 1 else ((),)
            return isinstance(options, tuple) and all(map(self.allow, options)) and bool(options)
        if kind not in ("log", "uniform") or len(values) != 2:
            return False
        low, high = values
        return low < high and (kind == "uniform" or low > 0) and all(map(self.allow, values))

    def schema(self) -> dict:
        """The limits in the words of JSON Schema."""
        words = {
            "minimum": self.minimum,
            "exclusiveMinimum": self.above,
            "maximum": self.maximum,
            "exclusiveMaximum": self.below,
            "pattern": self.pattern,
            "description": self.help or None,
        }
        return {word: value for word, value in words.items() if value is not None}

    def text(self) -> str:
        """The allowed values in words: `between 0 and 1, 0 excluded`."""
        if self.choices is not None:
            return ", ".join(map(_choice_text, self.choices))
        if self.pattern is not None:
            return f"like {self.pattern}"
        low = self.above if self.minimum is None else self.minimum
        high = self.below if self.maximum is None else self.maximum
        if low is None and high is None:
            return ""
        if high is None:
            return f"{'at least' if low == self.minimum else 'above'} {_number_text(low)}"
        if low is None:
            return f"{'at most' if high == self.maximum else 'below'} {_number_text(high)}"
        excluded = [_number_text(end) for end in (self.above, self.below) if end is not None]
        ends = "both" if len(excluded) == 2 else "".join(excluded)
        suffix = f", {ends} excluded" if excluded else ""
        return f"between {_number_text(low)} and {_number_text(high)}{suffix}"

    def allow(self, value: Any) -> bool:
        """Whether a value other than None lies within the limits."""
        if self.choices is not None:
            is_bool = isinstance(value, bool)  # which equals 0 or 1
            return any(value == c and is_bool == isinstance(c, bool) for c in self.choices)
        if isinstance(value, str):
            return self.pattern is None or re.fullmatch(self.pattern, value) is not None
        if isinstance(value, dict):
            return isinstance(value.get("name"), str)
        if isinstance(value, bool | list):
            return True
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
        )


def _choice_text(choice: Any) -> str:
    """A choice as studies write it: null, true, 5, text."""
    words = {None: "null", False: "false", True: "true"}
    return words[choice] if choice is None or isinstance(choice, bool) else f"{choice}"


def _number_text(number: float) -> str:
    """A number as people write it: 4,294,967,295 and 0.5."""
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def parameter(
    default: Any = dataclasses.MISSING,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    choices: Sequence | None = None,
    pattern: str | None = None,
    help: str = "",
    search: tuple | None = None,
) -> Any:
    """A field of a component.

    Args:
        default: The value where none is given; without one the parameter is required.
        minimum, above, maximum, below: The range of a number; `above` and `below` exclude the end.
            The maximum of an integer is MAX_INTEGER, that of a number MAX_NUMBER, where none is
            given.
        choices: The allowed values; None among them allows null.
        pattern: A regular expression that the whole text must match.
        help: What the parameter means, for the reference page.
        search: The search space of tuning; see `Limits.search`.
    """
    chosen = None if choices is None else tuple(choices)
    limits = Limits(minimum, above, maximum, below, chosen, pattern, help, search)
    return dataclasses.field(default=default, metadata={"limits": limits})


@typing.dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(parameter,)
)
class Parameters:
    """The base of components: a subclass is a frozen dataclass of its annotated fields.

    Raises ValueError, which names the parameter, its value and what is allowed, for a value that
    its field does not allow.
    """

    __dataclass_fields__: ClassVar[dict]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        for name, field in fields(type(self)).items():
            object.__setattr__(self, name, field.checked(name, getattr(self, name)))
        self.validate()

    def validate(self) -> None:
        """Raise ValueError for parameters that do not fit each other."""

    def modules(self) -> tuple[str, ...]:
        """The modules that this component imports by a computed name: code digests need them."""
        return ()

    def values(self) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in fields(type(self))}


@dataclasses.dataclass(frozen=True)
class Field:
    """A parameter of a class: its type and limits."""

    kind: type
    """The first type of the annotation; further ones are those of single choices."""
    optional: bool
    default: Any
    """`dataclasses.MISSING` where the parameter is required."""
    limits: Limits

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is dataclasses.MISSING

    @property
    def type_text(self) -> str:
        """The JSON types of the values, null left out: `boolean or string`."""
        kinds = [self.kind, *map(type, self.limits.choices or ())]
        names = dict.fromkeys(TYPE_NAMES[k] for k in kinds if k is not types.NoneType)
        return " or ".join(names)

    def checked(self, name: str, value: Any) -> Any:
        """The value in its type (5 becomes 5.0 for a float); ValueError if it is not allowed."""
        if value is None and self.optional:
            return None
        converted = self._converted(value)
        wrong_type = not isinstance(converted, self.kind)
        wrong_type |= self.kind is not bool and isinstance(converted, bool)
        wrong_type &= self.limits.choices is None  # choices have their types themselves
        if wrong_type or not self.limits.allow(converted):
            allowed = f"{self.type_text} {self.limits.text()}".strip()
            null = " or null" if self.optional and self.limits.choices is None else ""
            raise ValueError(f"{name}: {value!r} is not allowed; allowed: {allowed}{null}")
        return converted

    def _converted(self, value: Any) -> Any:
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value) if abs(value) <= sys.float_info.max else math.inf
        if self.kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if self.kind is dict and isinstance(value, str | Mapping):
            return {"name": value} if isinstance(value, str) else dict(value)
        return value

    def schema(self) -> dict:
        """The parameter as a property of JSON Schema."""
        kinds = ["string", "object"] if self.kind is dict else [JSON_TYPES[self.kind]]
        kinds += ["null"] if self.optional else []
        schema = {"type": kinds if len(kinds) > 1 else kinds[0]} | self.limits.schema()
        if self.kind is dict:
            schema |= {"required": ["name"], "properties": {"name": {"type": "string"}}}
        if self.limits.choices is not None:
            del schema["type"]
            schema["enum"] = list(self.limits.choices)
        if not self.required:
            schema["default"] = self.default
        return schema


@functools.cache
def fields(component: type) -> Mapping[str, Field]:
    """The parameters of a component's class, by name, in the order of their declaration."""
    annotations = typing.get_type_hints(component)
    return types.MappingProxyType(
        {
            field.name: _field(annotations[field.name], field)
            for field in dataclasses.fields(component)
        }
    )


def _field(annotation: Any, field: dataclasses.Field) -> Field:
    kinds = [annotation]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    optional = len(kinds) < len(typing.get_args(annotation))
    kind = typing.get_origin(kinds[0]) or kinds[0]
    limits = field.metadata.get("limits", Limits())
    has_maximum = limits.maximum is not None or limits.below is not None
    if kind in MAXIMA and limits.choices is None and not has_maximum:
        limits = dataclasses.replace(limits, maximum=MAXIMA[kind])
    return Field(kind, optional, field.default, limits)


def schema(component: type) -> dict:
    """The JSON Schema of a component's block in a study."""
    parameters = fields(component)
    block = {
        "description": summary(component),
        "type": "object",
        "additionalProperties": False,
        "properties": {name: field.schema() for name, field in parameters.items()},
    }
    required = [name for name, field in parameters.items() if field.required]
    return block | ({"required": required} if required else {})


def summary(component: type) -> str:
    """The first paragraph of a class's docstring, on one line."""
    paragraph = (component.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())
