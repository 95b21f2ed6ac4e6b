"""What can be named in a study: the components of every family, and where their code lies.

A component is a class in a file of its name (`unlearn/methods/finetune.py` has `Finetune`), or an
entry point of an installed package: group `unlearn.methods`, name `shrink`, value
`my_package.shrink:Shrink`. Listing names imports nothing.
"""

import importlib
import importlib.metadata
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unlearn.core.parameters import Parameters

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Family:
    """Components of one kind."""

    package: str
    """The package with a file for each."""
    base: str
    """The name of the class that they derive from."""

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return PACKAGE.joinpath(*self.package.split(".")[1:])


FAMILIES = {
    "data": Family("unlearn.data", "DataSource"),
    "features": Family("unlearn.data.features", "Features"),
    "models": Family("unlearn.models", "Architecture"),
    "requests": Family("unlearn.requests", "Sampler"),
    "trainers": Family("unlearn.trainers", "Trainer"),
    "methods": Family("unlearn.methods", "Method"),
    "noises": Family("unlearn.perturbations", "Perturbation"),
    "squeezes": Family("unlearn.data.squeezes", "Squeeze"),
    "figures": Family("unlearn.report.figures", "FigureKind"),
}


class UnknownComponentError(KeyError):
    """A name that no component of the family has."""


class ContractError(TypeError):
    """A component that breaks the contract of its family; the message names its module."""


@cache
def names(family: str) -> tuple[str, ...]:
    """The sorted names of a family's components.

    Raises ContractError for an entry point that would replace a component of this package.
    """
    internal_names = {path.stem for path in _files(FAMILIES[family])}
    external_names = set(_entry_points(family))
    for name in sorted(internal_names & external_names):
        value = _entry_points(family)[name].value
        raise ContractError(
            f"entry point {name} of {family}: {value} is refused, a component has this name already"
        )
    return tuple(sorted(internal_names | external_names))


@cache
def find(family: str, name: str) -> type[Parameters]:
    """The class of a component.

    Raises UnknownComponentError for a name that there is not, and ContractError if its file or
    its entry point holds something else than one component of the family.
    """
    if name not in names(family):
        raise UnknownComponentError(f"{family} has no {name}; allowed: {', '.join(names(family))}")
    entry_point = _entry_points(family).get(name)
    if entry_point is None:
        source = importlib.import_module(module(family, name))
        return getattr(source, class_name(FAMILIES[family], name))
    try:
        component = entry_point.load()
    except Exception as error:  # whatever the package raises when it is imported
        message = f"{entry_point.value} cannot be loaded: {type(error).__name__}: {error}"
        raise ContractError(f"entry point {name} of {family}: {message}") from error
    bases = {base.__name__ for base in getattr(component, "__mro__", ())}
    if FAMILIES[family].base not in bases:
        raise ContractError(f"entry point {name} of {family}: {entry_point.value} is no component")
    return component


def module(family: str, name: str) -> str:
    """The module that holds a component."""
    entry_point = _entry_points(family).get(name)
    return entry_point.module if entry_point else f"{FAMILIES[family].package}.{name}"


@cache
def class_name(family: Family, name: str) -> str:
    """The name of the one class in a component's file that derives from the family's base."""
    text = (family.folder / f"{name}.py").read_text(encoding="utf-8")
    classes = re.findall(rf"^class (\w+)\((?:\w+\.)?{family.base}\b.*\):", text, re.MULTILINE)
    if len(classes) != 1:
        message = f"needs one class that derives from {family.base}, has {len(classes)}"
        raise ContractError(f"{family.package}.{name} {message}")
    return classes[0]


def create(family: str, block: dict) -> Parameters:
    """The component that a block `{"kind": name, "parameters": {...}}` describes."""
    return find(family, block["kind"])(**block["parameters"])


def modules(family: str, block: dict) -> list[str]:
    """The modules that a block's component consists of, those of computed names included."""
    return [module(family, block["kind"]), *create(family, block).modules()]


def _files(family: Family) -> list[Path]:
    """The files that hold a component: those with a class that derives from the family's base."""
    pattern = rf"^class \w+\((?:\w+\.)?{family.base}\b.*\):"
    files = sorted(family.folder.glob("[a-z]*.py"))
    return [path for path in files if re.search(pattern, path.read_text("utf-8"), re.MULTILINE)]


@cache
def _entry_points(family: str) -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points of a family by name; ContractError for a name that two packages use."""
    points: dict[str, importlib.metadata.EntryPoint] = {}
    for point in importlib.metadata.entry_points(group=f"unlearn.{family}"):
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            raise ContractError(
                f"entry point {point.name} of {family}: {other.value} and {point.value} share it"
            )
    return points
