"""Tuning: trials of a method on models and draws of their own, and the choice among them.

A trial is an ordinary cell: a version of the method, a request of the same kind as the reported
one with another draw, and a fleet of pilot models. The choice is a small file, an input of every
reported cell of the tuned variant.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearn.core import parameters, registry
from unlearn.core.setting import Setting
from unlearn.study import compatibility, memory, search_space
from unlearn.study.components import Part, Selection, Variant, canonical_name
from unlearn.study.grid import NO_GRID, Cell, Grid
from unlearn.study.populations import PILOT_SEEDS

if TYPE_CHECKING:
    from unlearn.study.compatibility import Problem
    from unlearn.study.resolve import Resolver

KEY = "tuned"
"""The key of a method's block."""

TUNED = "tuned"
"""What tables show for a parameter that is searched."""


@dataclass(frozen=True)
class Tuning:
    """How the parameters of one variant are chosen."""

    track: str
    """`validation`: by points of the validation split; `oracle`: by models that are retrained."""
    searched: tuple[str, ...]
    """The parameters that are searched."""
    trials: tuple[str, ...]
    """The variants that are tried; the first has the parameters of the study."""


def naming_base(kind: str, base: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """The values that the name of a tuned variant leaves out.

    A parameter that the study gives is not searched, even with the value that it would have anyway.
    So the name shows it, and two searches have two names.

    Args:
        kind: The registered name of the method.
        base: The values that the name stands for.
        given: The keys that a block gives beside the name.
    """
    searchable = search_space.searched(registry.find("methods", kind))
    return {
        name: value for name, value in base.items() if name not in searchable or name not in given
    }


def search(resolver: Resolver, variant: Variant, block: Mapping[str, Any], path: str) -> Tuning:
    """The tuning of a variant; StudyError for a method that has nothing to tune.

    Args:
        resolver: Takes the variants of the trials.
        variant: The variant, with the parameters of the study.
        block: What the study writes of it: these parameters are not searched.
        path: Where it stands, for error messages.
    """
    component = registry.find("methods", variant.kind)
    names = search_space.searched(component, block)
    if not names:
        spaces = ", ".join(search_space.searched(component)) or "none"
        resolver.fail(
            f"{path}.{KEY}",
            f"{variant.name} has no parameter left to search; allowed: methods with search "
            f"spaces whose values the study does not give (of {variant.kind}: {spaces})",
        )
    count = resolver.config["tuning"]["trials"]
    defaults = {
        name: field.default
        for owner in (registry.find("trainers", variant.trainer.kind), component)
        for name, field in parameters.fields(owner).items()
    }
    trials = []
    for values in search_space.trials(component, variant.parameters, names, count):
        all_values = variant.trainer.parameters | values
        name = f"trial-{canonical_name(variant.kind, all_values, defaults)}"
        method = component(**values)
        trial = Variant(
            name,
            variant.kind,
            values,
            method,
            trainer=variant.trainer,
            guarantee=method.guarantee_for(
                Setting(trainer=variant.trainer.component, method=method)
            ),
            oracle=variant.oracle,
        )
        resolver.register(resolver.study.variants, name, trial)
        trials.append(name)
    track = "oracle" if block[KEY] == "oracle" else "validation"
    return Tuning(track, names, tuple(trials))


def resolve_pilots(
    resolver: Resolver, selection: Selection, seeds: Collection[int], path: str
) -> Grid:
    """The trials of an experiment, and the controls that they are judged by.

    Args:
        resolver: Takes the pilot requests and the fleet of pilot models.
        selection: The parts of the experiment.
        seeds: The seeds of the experiment, whose models are reported.
        path: Where the experiment stands, for error messages.

    Raises:
        StudyError: A reported model or draw that is a pilot's, or a trial that cannot run.
    """
    tuned = [variant for variant in selection.variants if variant.name in resolver.study.tunings]
    if not tuned:
        return NO_GRID
    study = resolver.study
    shared_seed = next((seed for seed in seeds if seed in PILOT_SEEDS), None)
    if shared_seed is not None:
        resolver.fail(
            f"{path}.seeds",
            f"{shared_seed:,} is the seed of a model that methods are tuned on, "
            f"{PILOT_SEEDS.start:,} to {PILOT_SEEDS.stop - 1:,}; allowed: other seeds",
        )
    members = resolver.config["tuning"]["members"]
    for problem in memory.problems(selection, members):
        resolver.fail(f"{path}.{problem.key}", f"tuning: {problem.message}")
    (fleet,) = resolver.fleets(PILOT_SEEDS[:members], PILOT_SEEDS.stop)
    study.pilot_fleet = fleet
    pilots = [_pilot(resolver, request, selection, path) for request in selection.requests]
    variants = _variants(study, tuned)
    for problem in _problems(selection, pilots, variants):
        resolver.fail(f"{path}.{problem.key}", f"tuning: {problem.message}")
    cells = itertools.product(selection.models, [*variants, *tuned], pilots)
    impossible = [
        Cell(dataset.name, model.name, variant.name, pilot.name, fleet)
        for (dataset, model), variant, pilot in cells
        if not compatibility.possible(dataset, pilot, variant)
    ]
    return Grid(
        list(dict.fromkeys((dataset.name, model.name) for dataset, model in selection.models)),
        [variant.name for variant in variants],
        list(dict.fromkeys(pilot.name for pilot in pilots)),
        [fleet],
        impossible,
    )


def _variants(study: Any, tuned: Collection[Variant]) -> list[Variant]:
    """The trials of tuned variants, and the controls that judge them, each once."""
    names: dict[str, None] = {}
    for variant in tuned:
        tuning = study.tunings[variant.name]
        names |= dict.fromkeys((variant.original, *tuning.trials))
        if tuning.track == "oracle":
            names[variant.oracle] = None
    return [study.variants[name] for name in names]


def _pilot(resolver: Resolver, request: Part, selection: Selection, path: str) -> Part:
    """The request that methods are tuned on for a reported one."""
    changes = request.component.pilot()
    study = resolver.study
    pilot = request
    if changes:
        pilot = resolver.request({"name": request.kind, **request.parameters, **changes}, path)
    if changes and pilot.parameters == request.parameters:
        resolver.fail(
            f"{path}.request",
            f"{request.name} is the draw that methods are tuned on; allowed: other draws",
        )
    study.pilots[request.name] = pilot.name
    for dataset in selection.datasets:
        resolver.scoring(dataset, pilot, PILOT_SEEDS, path)
    return pilot


def _problems(
    selection: Selection, pilots: Collection[Part], variants: Collection[Variant]
) -> Iterator[Problem]:
    """Why trials cannot run."""
    for pilot in pilots:
        if "delete" not in pilot.component.changes:
            message = f"{pilot.name} deletes no point that trials could be judged on"
            yield compatibility.Problem("request", f"{message}; allowed: requests that delete")
    for dataset in selection.datasets:
        if not dataset.component.validation_size:
            message = f"{dataset.name} has no validation split, by which trials are judged"
            yield compatibility.Problem("dataset", f"{message}; allowed: validation: 1 or more")
    for _, model in selection.models:
        if model.checkpoint is not None:
            message = f"{model.name} is read from a checkpoint, there are no models to tune on"
            yield compatibility.Problem("model", f"{message}; allowed: models that are trained")
    checks = [
        compatibility.check_request(dataset, pilot)
        for dataset, pilot in itertools.product(selection.datasets, pilots)
    ]
    checks += [
        compatibility.check_service(variant, pilot)
        for variant, pilot in itertools.product(variants, pilots)
    ]
    checks += [
        compatibility.check_model(dataset, model, variant)
        for (dataset, model), variant in itertools.product(selection.models, variants)
    ]
    yield from filter(None, checks)
