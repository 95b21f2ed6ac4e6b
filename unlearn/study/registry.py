"""What the library offers and what each module declares, read without importing it.

The plan of a study needs a few facts of a module (the trainer of a method, the size of a data
set) long before any job imports torch. They are literals in the module's source, so they are
read from its syntax tree.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from unlearn.study.schema import InvalidError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"noises": "perturbations", "features": "data.features", "figures": "report.figures"}
"""Where the modules of a family lie, if not in a package of its name."""
HELPERS = {
    "data": ("dataset", "splits", "download"),
    "features": ("standardised",),
    "noises": ("search", "limits"),
    "partitions": ("sharding", "request_prior"),
    "requests": ("request",),
}


def module(family: str, name: str) -> str:
    """The module of a component."""
    return f"unlearn.{PACKAGES.get(family, family)}.{name}"


@cache
def names(family: str) -> tuple[str, ...]:
    """Sorted names of the modules in `unlearn/<family>/`; those with a leading _ are helpers."""
    folder = ROOT / module(family, "_").replace(".", "/")
    there = (p.stem for p in folder.parent.glob("*.py") if p.stem[0] != "_")
    return tuple(sorted(set(there) - set(HELPERS.get(family, ()))))


class Facts(dict):
    """What a module declares; to ask for what it does not, but must, is an InvalidError."""

    def __init__(self, module: str):
        super().__init__()
        self.module = module

    def __missing__(self, name: str):
        raise InvalidError("", f"{self.module} declares no {name}")


@cache
def facts(family: str, name: str) -> Facts:
    """The literals that module `unlearn/<family>/<name>.py` declares.

    Module-level constants and attributes of its public classes, `{"CLASSES": 10, ...}` or
    `{"trainer": "standard", "guarantee": "none"}`. Values that are no literals are left out.
    """
    path = ROOT / f"{module(family, name).replace('.', '/')}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = Facts(path.relative_to(ROOT).as_posix())
    found.update(_literals(tree.body))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found.update(_literals(node.body))
    return found


def used(family: str, name: str, parameters: Mapping) -> list[str]:
    """The modules that parameters of a module name: `USES = {"partition": "partitions"}` in it."""
    uses = facts(family, name).get("USES", {})
    return [module(folder, parameters[key]) for key, folder in uses.items()]


def _literals(body: list[ast.stmt]) -> dict:
    found = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found
