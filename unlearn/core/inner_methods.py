"""Methods that are parameters of another method: blocks with a name and parameters."""

from collections.abc import Mapping
from typing import Any

from unlearn.core import parameters, registry
from unlearn.core.setting import Setting


def inner_method(key: str, block: Mapping[str, Any]) -> Any:
    """The `methods.base.Method` of a block; ValueError for parameters that it does not allow.

    Args:
        key: The parameter that holds the block, for messages.
        block: The name of a method, and some of its parameters.
    """
    values = {name: value for name, value in block.items() if name != "name"}
    component = registry.find("methods", block["name"])
    fields = parameters.fields(component)
    unknown = [name for name in values if name not in fields]
    if unknown:
        allowed = ", ".join(fields) or "nothing"
        raise ValueError(f"{key}: {block['name']} has no {unknown[0]}; allowed: {allowed}")
    return component(**values)


def inner_modules(key: str, block: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules of the method of a block."""
    values = inner_method(key, block).values()
    return tuple(registry.modules("methods", {"kind": block["name"], "parameters": values}))


def inner_refusal(key: str, block: Mapping[str, Any], setting: Setting) -> str | None:
    """Why the method of a block cannot serve a setting; None if it can."""
    method = inner_method(key, block)
    name = block["name"]
    for change in () if setting.request is None else setting.request.changes:
        if change not in method.serves:
            return f"{name} can only {' and '.join(method.serves)}"
    if method.images_only and setting.data is not None and setting.data.features:
        return f"{name} is for images; allowed: features: null"
    return method.supports(setting)


def check_standard(key: str, block: Mapping[str, Any]) -> None:
    """Raise ValueError for a method that needs more than a standard model and its training points.

    The trainer is another one, the validation split is read, or the architecture changes.
    """
    method = inner_method(key, block)
    name = block["name"]
    if method.trainer not in (None, "standard"):
        raise ValueError(
            f"{key}: {name} unlearns models of the trainer {method.trainer}; allowed: methods of "
            "the standard trainer"
        )
    if "validation" in method.reads or method.student_architecture() is not None:
        raise ValueError(
            f"{key}: {name} reads the validation split or changes the architecture; allowed: "
            "methods that do neither"
        )
