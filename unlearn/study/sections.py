"""The sections of a study that name parts, and the JSON Schema of each part's block."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from unlearn.core import parameters, registry
from unlearn.core.guarantee import LEVELS
from unlearn.core.parameters import Parameters, parameter
from unlearn.training.recipe import Recipe

FAMILIES = {
    "datasets": "data",
    "models": "models",
    "recipes": None,
    "requests": "requests",
    "methods": "methods",
    "noises": "noises",
    "squeezes": "squeezes",
}
"""Section of a study -> family of components; recipes are all of one kind."""

STANDARD_RECIPE = "standard"
"""The registered name of a recipe with the default parameters."""


class DatasetOptions(Parameters):
    """What a study says of a data set beside the options of its source."""

    recipe: str = parameter(
        STANDARD_RECIPE,
        help="The recipe of models trained on this data set that name none themselves.",
    )
    features: str | None = parameter(
        None,
        pattern=r"^[a-z0-9_]+(\+[a-z0-9_]+)*$",
        help="Modules of unlearn/data/features, joined by +: models see features of the images "
        "instead of pixels. They are standardised by the points that `held_out` keeps, which are "
        "public then.",
    )
    noise: str | None = parameter(
        None,
        help="A kind of noise, or a block with its name and parameters: training images carry it. "
        "Test images never do.",
    )
    noised: float = parameter(
        1.0,
        minimum=0,
        maximum=1,
        help="noise. The share of the points in base training that carry it, of every class alike.",
    )
    noised_seed: int = parameter(0, minimum=0, help="noise. Which points carry it.")
    squeeze: str | None = parameter(
        None,
        help="A kind of squeeze, or a block with its name and parameters: training images lose "
        "detail, and with it noise. Test and validation images never do.",
    )
    swapped: float | None = parameter(
        None,
        above=0,
        help="Points in base training that exchange their labels between two classes: below 1 the "
        "share of each class, from 2 on their number, half of each class. Test labels stay.",
    )
    swapped_classes: list | None = parameter(None, help="swapped. The two classes, from 0.")
    swapped_seed: int = parameter(0, minimum=0, help="swapped. Which points.")


class ModelOptions(Parameters):
    """What a study says of a model beside the parameters of its architecture."""

    recipe: str | None = parameter(
        None, help="How it is trained; null takes the recipe of the data set."
    )
    checkpoint: str | None = parameter(
        None,
        pattern=r"^[^{}\n]*(\{seed\}[^{}\n]*)?$",
        help="A file with the weights of an already trained model, .safetensors or a state_dict "
        "saved by torch: the original, which is then not trained. {seed} stands for the seed of a "
        "member; without it there can be one member only.",
    )


class MethodOptions(Parameters):
    """What a study says of a method beside its parameters and those of its trainer."""

    tuned: bool = parameter(
        False,
        choices=(False, True, "oracle"),
        help="Whether parameters with a search space are chosen among the trials of `tuning`, "
        "those that the study gives aside. true judges trials by points of the validation split, "
        "oracle by models retrained without the points, which no user has.",
    )


DATASET_DEFAULTS = DatasetOptions().values()
"""The options of a data set of which a study says nothing."""

OPTIONS = {"datasets": DatasetOptions, "models": ModelOptions, "methods": MethodOptions}


DECLARATIONS = {
    "methods": {
        "guarantee": LEVELS,
        "serves": ("delete", "add"),
        "reads": ("forget", "retain", "validation"),
    },
    "requests": {"changes": ("delete", "add")},
}
"""Family -> class attribute -> what components may declare there."""


def kinds(section: str) -> tuple[str, ...]:
    """The registered names of a section."""
    family = FAMILIES[section]
    return (STANDARD_RECIPE,) if family is None else registry.names(family)


@cache
def block_schema(section: str, kind: str) -> dict[str, Any]:
    """The JSON Schema of a block of a registered kind, without its key `name`.

    The block of a method takes the parameters of its trainer, too.
    """
    family = FAMILIES[section]
    block = parameters.schema(Recipe if family is None else registry.find(family, kind))
    shared: Mapping[str, Any] = {}
    if section in OPTIONS:
        shared = parameters.schema(OPTIONS[section])["properties"]
    if section == "methods":
        trainer = registry.find("trainers", trainer_of(kind))
        shared = shared | parameters.schema(trainer)["properties"]
    return block | {"properties": shared | block["properties"]}


def trainer_of(method: str) -> str:
    """The trainer that a method declares; None there means any, hence the standard one."""
    return registry.find("methods", method).trainer or "standard"


def check_declaration(family: str, kind: str) -> None:
    """Raise ContractError for a component that declares what its family does not know."""
    component = registry.find(family, kind)
    allowed_by_attribute = DECLARATIONS.get(family, {})
    if family == "methods" and component.trainer is not None:
        allowed_by_attribute = allowed_by_attribute | {"trainer": registry.names("trainers")}
    for attribute, allowed in allowed_by_attribute.items():
        declared = getattr(component, attribute)
        values = [declared] if isinstance(declared, str) else declared
        for value in values:
            if value not in allowed:
                raise registry.ContractError(
                    f"{component.__module__}: {attribute}: {value!r} is not allowed; allowed: "
                    f"{', '.join(allowed)}"
                )


def own_parameters(family: str, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some values that are parameters of a component."""
    names = parameters.fields(registry.find(family, kind))
    return {name: value for name, value in values.items() if name in names}


@cache
def inner_methods(kind: str) -> tuple[str, ...]:
    """The parameters of a method that name another method."""
    fields = parameters.fields(registry.find("methods", kind))
    return tuple(name for name, field in fields.items() if field.kind is dict)


@cache
def array_parameters() -> frozenset[str]:
    """The parameters whose value is a list, which does not multiply."""
    components = [
        registry.find(family, kind)
        for family in FAMILIES.values()
        if family
        for kind in registry.names(family)
    ]
    return frozenset(
        name
        for component in (*components, *OPTIONS.values())
        for name, field in parameters.fields(component).items()
        if field.kind is list
    )
