"""Third pass: grids -> cells. Parts that do not fit each other are refused here."""

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from unlearn.core.setting import Setting
from unlearn.evaluation import placement
from unlearn.study import compatibility, figure_checks, memory
from unlearn.study.compatibility import Problem
from unlearn.study.components import (
    Experiment,
    Part,
    Picture,
    Selection,
    Variant,
)
from unlearn.study.grid import Cell, Grid
from unlearn.study.parameter_columns import parameter_columns, role
from unlearn.study.relearning import relearning_problems, resolve_relearning
from unlearn.study.resolve import Resolver
from unlearn.study.tuning import resolve_pilots
from unlearn.study.variants import method_labels
from unlearn.training.fleet import Member


def experiment(name: str, block: Mapping, resolver: Resolver) -> Experiment:
    """The experiment of a validated block; StudyError for one that cannot run."""
    path = f"experiments.{name}"
    figure = dict(block["figure"])
    figure |= placement.metrics_and_splits(figure | {"x": figure["x"] or ""})
    metrics = [*figure["y"], *(pair.partition("/")[0] for pair in block["summary"])]
    selection = resolver.selection(block, path, metrics)
    figure |= _axes(figure, selection.requests)
    figure["hidden"] = [variant.name for variant in selection.references]
    figure["labels"] = method_labels(_all_variants(selection))
    fleets = [*selection.fleets, *_population_fleets(selection)]
    trained_fleets = [f for f in fleets if f not in _oracle_fleets(selection)]
    members = [member for fleet in trained_fleets for member in resolver.study.fleets[fleet]]
    fleet_size = max(len(resolver.study.fleets[fleet]) for fleet in fleets)
    relearning = resolve_relearning(resolver, block["relearning"], f"{path}.relearning")
    problems = itertools.chain(
        _problems(selection, members),
        memory.problems(selection, fleet_size),
        relearning_problems(relearning, selection, figure, block["summary"]),
    )
    for problem in problems:
        resolver.fail(f"{path}.{problem.key}", problem.message)
    trials = resolve_pilots(resolver, selection, _seeds(resolver, selection), path)
    grid = _grid(selection, _all_variants(selection), selection.fleets)
    audits = _audits(selection)
    columns = parameter_columns(selection, resolver.study.tunings)
    cells = (*grid.cells(), *audits.cells())
    study = resolver.study
    draws = _draws(selection.requests, figure)
    resolver.at(f"{path}.figure", figure_checks.figure, figure, cells, columns, study, draws)
    resolver.at(f"{path}.summary", figure_checks.summary, block["summary"], cells, study)
    shown_columns = placement.axes(figure) | {"method.guarantee", "method.reads"}
    if len(selection.populations) > 1:
        shown_columns |= set(selection.populations[0].columns)
    if any(v.trainer.kind != "standard" for v in _all_variants(selection)):
        shown_columns |= {"method.trainer", "method.oracle"}
    if any(
        role(v) == placement.CONTROL_ROLE
        for v in selection.variants
        if v.kind not in placement.CONTROLS
    ):
        shown_columns |= {placement.ROLE}
    drawn_columns = {
        field: {
            part: {column: row[column] for column in row if column in shown_columns}
            for part, row in rows.items()
        }
        for field, rows in columns.items()
    }
    return Experiment(
        name,
        block["description"],
        figure,
        grid,
        drawn_columns,
        tuple(block["summary"]),
        relearning=None if relearning is None else relearning.name,
        draws=draws,
        audits=audits,
        populations=selection.populations,
        trials=trials,
    )


def _seeds(resolver: Resolver, selection: Selection) -> list[int]:
    """The seeds of the models that are reported."""
    return [member.seed for fleet in selection.fleets for member in resolver.study.fleets[fleet]]


def _axes(figure: Mapping, requests: Sequence[Part]) -> dict[str, str | None]:
    """The x, colour and facet of a figure, where its block names none.

    The x axis shows the rates of the requests if they tell these apart, else the variants; then
    every request has panels of its own.
    """
    x = figure["x"]
    facet = figure["facet"]
    if x is None and figure["kind"] == "lines":
        rates = {request.parameters.get("rate") for request in requests} - {None}
        names = {request.name for request in requests}
        x = "rate" if 1 < len(rates) == len(names) else "variant"
        facet = "request" if facet is None and x == "variant" and len(names) > 1 else facet
    default_colour = "method" if (x or "").startswith("method.") else "variant"
    return {"x": x, "colour": figure["colour"] or default_colour, "facet": facet}


def picture(name: str, block: Mapping, resolver: Resolver, experiments: Collection[str]) -> Picture:
    """The picture of a validated block.

    Args:
        name: The picture's name, which no experiment may have.
        block: The validated block.
        resolver: Finds the data sets.
        experiments: The names of the experiments.

    Raises:
        StudyError: The picture cannot be drawn.
    """
    path = f"pictures.{name}"
    datasets = tuple(
        resolver.dataset(choice, f"{path}.dataset") for choice in resolver.choices(block["dataset"])
    )
    for dataset in datasets:
        for check in (compatibility.check_dataset, compatibility.check_picture):
            problem = check(dataset)
            if problem is not None:
                resolver.fail(f"{path}.{problem.key}", problem.message)
    if name in experiments:
        resolver.fail(path, "an experiment has this name")
    return Picture(name, block["description"], datasets, block["classes"])


def _problems(selection: Selection, members: Sequence[Member]) -> Iterator[Problem]:
    """Every reason why parts of a selection do not fit each other."""
    variants = _all_variants(selection)
    trainers = [variant.trainer for variant in variants]
    checks: list[tuple[Callable, Iterator[tuple[Any, ...]]]] = [
        (compatibility.check_dataset, itertools.product(selection.datasets)),
        (
            compatibility.check_request,
            itertools.product(selection.datasets, selection.requests),
        ),
        (compatibility.check_files, itertools.product(selection.requests)),
        (compatibility.check_trainer, itertools.product(selection.datasets, trainers)),
        (compatibility.check_service, itertools.product(variants, selection.requests)),
        (
            compatibility.check_population,
            itertools.product(selection.variants, selection.populations),
        ),
        (
            compatibility.check_model,
            ((*model, variant) for model in selection.models for variant in variants),
        ),
        (
            compatibility.check_checkpoints,
            ((model, variant, members) for _, model in selection.models for variant in variants),
        ),
    ]
    for check, combinations in checks:
        for parts in combinations:
            problem = check(*parts)
            if problem is not None:
                yield problem


def _grid(selection: Selection, variants: Sequence[Variant], fleets: Sequence[str]) -> Grid:
    """The cells of some variants and fleets; parts that are listed twice count once."""
    impossible = [
        Cell(dataset.name, model.name, variant.name, request.name, fleet)
        for (dataset, model), variant, request, fleet in itertools.product(
            selection.models, variants, selection.requests, fleets
        )
        if not compatibility.possible(dataset, request, variant)
    ]
    return Grid(
        list(dict.fromkeys((dataset.name, model.name) for dataset, model in selection.models)),
        list(dict.fromkeys(variant.name for variant in variants)),
        list(dict.fromkeys(request.name for request in selection.requests)),
        list(fleets),
        list(dict.fromkeys(impossible)),
    )


def _audits(selection: Selection) -> Grid:
    """The audits of all variants by all populations; there is none where no oracle can be."""
    names = [population.name for population in selection.populations]
    grid = _grid(selection, selection.variants, names)
    controls = [variant for variant in selection.variants if variant.kind == "original"]
    impossible = [
        Cell(dataset.name, model.name, control.name, request.name, name)
        for (dataset, model), request, control, name in itertools.product(
            selection.models, selection.requests, controls, names
        )
        if request.component.empties(Setting(data=dataset.facts, request=request.component))
    ]
    return grid._replace(without=list(dict.fromkeys([*grid.without, *impossible])))


def _population_fleets(selection: Selection) -> set[str]:
    """The fleets of all populations."""
    return {
        fleet
        for population in selection.populations
        for fleet in (*population.originals, *population.reference, *population.floor)
    }


def _oracle_fleets(selection: Selection) -> set[str]:
    """The fleets of all oracles, which are trained even where originals are checkpoints."""
    return {
        fleet
        for population in selection.populations
        for fleet in (*population.reference, *population.floor)
    }


def _draws(requests: Sequence[Part], figure: Mapping) -> dict[str, str]:
    """The requests that differ in their seed alone, with the name of what they share.

    None where an axis, colour or facet tells them apart.
    """
    if placement.axes(figure) & {"request", "request.seed"}:
        return {}
    names_by_setting: dict[str, list[str]] = {}
    for request in requests:
        shared = {key: value for key, value in request.parameters.items() if key != "seed"}
        setting = repr((request.kind, sorted(shared.items())))
        names_by_setting.setdefault(setting, []).append(request.name)
    return {
        name: re.sub(r"-seed=\d+$|-seed=\d+(?=-)", "", names[0])
        for names in map(list, map(dict.fromkeys, names_by_setting.values()))
        if len(names) > 1
        for name in names
    }


def _all_variants(selection: Selection) -> tuple:
    return (*selection.variants, *selection.references)
