"""From the blocks `certificate_audits` of a study to methods whose loops can be audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unlearn.study import sections, tuning
from unlearn.study.components import CertificateAudit, Part

if TYPE_CHECKING:
    from unlearn.study.resolve import Resolver


def resolve(name: str, block: Mapping, resolver: Resolver) -> CertificateAudit:
    """The audit of a validated block; StudyError for one that cannot run."""
    path = f"certificate_audits.{name}"
    for section in ("experiments", "pictures"):
        if name in resolver.config[section]:
            resolver.fail(path, f"{name} is the name of one of the {section}; allowed: other names")
    choices = resolver.choices(block["method"])
    methods = [_method(resolver, choice, f"{path}.method") for choice in choices]
    return CertificateAudit(
        name=name,
        description=block["description"],
        methods=tuple({method.name: method for method in methods}.values()),
        runs=block["runs"],
        noise_scales=tuple(map(float, block["noise_scales"])),
        seed=block["seed"],
    )


def _method(resolver: Resolver, choice: Any, path: str) -> Part:
    """A method that offers its loop."""
    name, kind, values = resolver.block("methods", choice, path)
    if values[tuning.KEY]:
        resolver.fail(path, f"{name} is tuned; allowed: methods whose parameters are given")
    parameters = sections.own_parameters("methods", kind, values)
    component = resolver.component("methods", kind, parameters, path, name)
    if component.audited_loop() is None:
        resolver.fail(
            path, f"{name} offers no loop to audit; allowed: methods with an `audited_loop`"
        )
    return Part(name, kind, parameters, component)
