"""The variants of an experiment: methods with their trainers, the controls, the references."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unlearn.core import registry
from unlearn.core.setting import Setting
from unlearn.evaluation.placement import CONTROLS
from unlearn.study import sections, tuning
from unlearn.study.components import Part, Variant, canonical_name, control_name

if TYPE_CHECKING:
    from unlearn.study.resolve import Resolver


def resolve_variants(
    resolver: Resolver, choice: Any, path: str, metrics: Sequence[str]
) -> tuple[list[Variant], list[Variant]]:
    """The variants of a choice, and the references that metrics compare them with besides.

    The controls of each trainer precede the variants.

    Args:
        resolver: Finds components and registers parts.
        choice: The block `method` of an experiment.
        path: Where it stands, for error messages.
        metrics: The metrics of the experiment.
    """
    chosen_variants = [_variant(resolver, version, path) for version in resolver.choices(choice)]
    trainers = {v.trainer.name: _control_trainer(resolver, v.trainer) for v in chosen_variants}
    controls = [
        _new_variant(resolver, _control(resolver, kind, trainer, path), trainer, path)
        for trainer in trainers.values()
        for kind in CONTROLS
    ]
    variants = {variant.name: variant for variant in controls + chosen_variants}
    references = {}
    for variant in chosen_variants:
        for reference in _references(resolver, variant, chosen_variants, metrics, path):
            if reference.name not in variants:
                references[reference.name] = reference
    for variant in [*variants.values(), *references.values()]:
        resolver.register(resolver.study.variants, variant.name, variant)
    return list(variants.values()), list(references.values())


def method_labels(variants: Sequence[Variant]) -> dict[str, str]:
    """The labels of methods in the names of variants, by the names they are registered under.

    A method without a label of its own is not among them.
    """
    names = dict.fromkeys(name for variant in variants for name in _method_names(variant))
    labels = {name: registry.find("methods", name).label for name in names}
    return {name: label for name, label in labels.items() if label is not None}


def _method_names(variant: Variant) -> Iterator[str]:
    """The method of a variant, and those that are its parameters."""
    yield variant.kind
    values = variant.component.values().values()
    yield from (value["name"] for value in values if isinstance(value, dict))


def random_networks(resolver: Resolver) -> Variant:
    """The variant of networks that are not trained, which some audits compare with."""
    trainer = _trainer(resolver, "untrained", {}, "")
    defaults = registry.find("methods", "retrain")().values()
    method_part = Part(control_name("retrain", trainer), "retrain", defaults)
    variant = _new_variant(resolver, method_part, trainer, "")
    return resolver.register(resolver.study.variants, variant.name, variant)


def _control(resolver: Resolver, kind: str, trainer: Part, path: str) -> Part:
    """A control, with the parameters that the study gives its method."""
    _, _, values = resolver.block("methods", kind, path)
    if values[tuning.KEY]:
        resolver.fail(f"methods.{kind}.{tuning.KEY}", "a control has nothing to tune")
    parameters = sections.own_parameters("methods", kind, values)
    return Part(control_name(kind, trainer), kind, parameters)


def _variant(resolver: Resolver, choice: Any, path: str) -> Variant:
    name, kind, values = resolver.block("methods", choice, path)
    parameters = sections.own_parameters("methods", kind, values)
    own_keys = {*parameters, tuning.KEY}
    rest = {key: value for key, value in values.items() if key not in own_keys}
    trainer = _trainer(resolver, sections.trainer_of(kind), rest, path)
    inner_methods = {
        key: _inner_method(resolver, parameters[key], f"{path}.{key}")
        for key in sections.inner_methods(kind)
    }
    inner_names = {key: method.name for key, method in inner_methods.items()}
    inner_blocks = {key: {"name": m.kind} | dict(m.parameters) for key, m in inner_methods.items()}
    if isinstance(choice, Mapping):
        written_names = {key: inner_names[key] for key in inner_names if key in choice}
        name = resolver.block("methods", {**choice, **written_names}, path)[0]
    component = resolver.component("methods", kind, parameters | inner_blocks, path, name)
    part = Part(name, kind, parameters | inner_names, component)
    variant = _new_variant(resolver, part, trainer, path)
    if values[tuning.KEY]:
        written = _written(resolver, choice) | {tuning.KEY: values[tuning.KEY]}
        resolver.study.tunings[name] = tuning.search(resolver, variant, written, path)
    return variant


def _written(resolver: Resolver, choice: Any) -> dict[str, Any]:
    """What a study writes of a method, at its name and in the experiment."""
    block = choice if isinstance(choice, Mapping) else {"name": choice}
    return {**(resolver.config["methods"].get(block["name"]) or {}), **block}


def _inner_method(resolver: Resolver, choice: Any, path: str) -> Part:
    """A method that is a parameter of another one: a name, or a block with a name."""
    name, kind, values = resolver.block("methods", choice, path)
    if values[tuning.KEY]:
        resolver.fail(path, f"{name} is tuned, its parameters are not known; allowed: tuned: false")
    return Part(name, kind, sections.own_parameters("methods", kind, values))


def _new_variant(resolver: Resolver, method_part: Part, trainer: Part, path: str) -> Variant:
    """The variant of a method and the trainer whose models it unlearns.

    Args:
        resolver: Finds components.
        method_part: Name, registered name and parameters of the method, and its component where
            parameters alone do not make it.
        trainer: The trainer.
        path: Where the method stands, for error messages.
    """
    name, kind, parameters = method_part.name, method_part.kind, method_part.parameters
    method = method_part.component
    if method is None:
        method = resolver.component("methods", kind, parameters, path, name)
    return Variant(
        name,
        kind,
        parameters,
        method,
        trainer=trainer,
        guarantee=method.guarantee_for(Setting(trainer=trainer.component, method=method)),
        oracle=control_name("retrain", _control_trainer(resolver, trainer)),
    )


def _trainer(resolver: Resolver, kind: str, parameters: Mapping, path: str) -> Part:
    component = resolver.component("trainers", kind, parameters, path)
    values = component.values()
    defaults = registry.find("trainers", kind)().values()
    trainer = Part(canonical_name(kind, values, defaults), kind, values, component)
    return resolver.register(resolver.study.trainers, trainer.name, trainer)


def _control_trainer(resolver: Resolver, trainer: Part) -> Part:
    """The trainer whose controls serve: another one, if that trains the very same models."""
    kind = trainer.component.controls
    return _trainer(resolver, kind, {}, "") if kind else trainer


def _references(
    resolver: Resolver,
    variant: Variant,
    variants: Sequence[Variant],
    metrics: Sequence[str],
    path: str,
) -> Iterator[Variant]:
    """The versions of a variant that `metrics` compare it with, as its method defines them.

    Args:
        resolver: Finds components and takes the names of references.
        variant: The variant.
        variants: All variants of the experiment, which may serve as references.
        metrics: The metrics of the experiment.
        path: Where the variant stands, for error messages.
    """
    for suffix, parameters in variant.component.references().items():
        metric = next((metric for metric in metrics if metric.endswith(f"_{suffix}")), None)
        if metric is None:
            continue
        unknown = _searched(resolver, variant, parameters)
        if unknown:
            resolver.fail(
                path,
                f"{metric} compares {variant.name} with a version that shares "
                f"{', '.join(unknown)}, which tuning chooses; allowed: values for them, or other "
                "metrics",
            )
        siblings = (v for v in variants if (v.kind, v.trainer) == (variant.kind, variant.trainer))
        matching = (
            v
            for v in siblings
            if parameters.items() <= v.parameters.items() and not _searched(resolver, v, parameters)
        )
        reference = next(matching, None)
        if reference is None:
            method = registry.find("methods", variant.kind)
            values = method(**parameters).values()
            trainer = variant.trainer
            defaults = registry.find("trainers", trainer.kind)().values() | method().values()
            name = canonical_name(variant.kind, dict(trainer.parameters) | values, defaults)
            part = Part(name, variant.kind, values)
            reference = _new_variant(resolver, part, variant.trainer, path)
        resolver.study.references.setdefault(variant.name, {})[suffix] = reference.name
        yield reference


def _searched(resolver: Resolver, variant: Variant, names: Collection[str]) -> list[str]:
    """Those of some parameters whose values tuning chooses for a variant."""
    search = resolver.study.tunings.get(variant.name)
    return [] if search is None else [name for name in search.searched if name in names]
