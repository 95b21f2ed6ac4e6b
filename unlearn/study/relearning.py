"""Relearning of an experiment: its parameters, and what must fit them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from unlearn.core import parameters
from unlearn.evaluation.placement import CONTROLS
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.relearning import RELEARNING_STEP
from unlearn.study import schema
from unlearn.study.compatibility import Problem
from unlearn.study.components import Part, Selection, canonical_name
from unlearn.training.relearning import Relearning

if TYPE_CHECKING:
    from unlearn.study.resolve import Resolver

KEY = "relearning"
"""The key of an experiment, and the beginning of the names of what it stands for."""


def resolve_relearning(resolver: Resolver, block: Mapping | None, path: str) -> Part | None:
    """The part of a block `relearning`, registered in the study; None without a block."""
    if block is None:
        return None
    resolver.at(path, schema.check, block, parameters.schema(Relearning))
    component = resolver.at(path, lambda: Relearning(**block))
    values = component.values()
    name = canonical_name(KEY, values, Relearning().values())
    part = Part(name, KEY, values, component)
    return resolver.register(resolver.study.relearnings, name, part)


def relearning_problems(
    part: Part | None, selection: Selection, figure: Mapping, summary: Sequence[str]
) -> Iterator[Problem]:
    """Why an experiment cannot relearn, or cannot show what it relearns.

    Args:
        part: Its relearning, if there is one.
        selection: Its parts.
        figure: Its figure block.
        summary: The columns of its wide table.
    """
    wide_metrics = [pair.partition("/")[0] for pair in summary]
    metrics = [name for name in (*figure["y"], *wide_metrics) if name in METRICS]
    relearned_metrics = [name for name in metrics if METRICS[name].rule == "relearn"]
    if part is None:
        for name in relearned_metrics[:1]:
            message = f"{name} is of relearning; allowed: experiments with the key `{KEY}`"
            yield Problem("figure.y" if name in figure["y"] else "summary", message)
        return
    if not relearned_metrics:
        names = ", ".join(name for name, metric in METRICS.items() if metric.rule == "relearn")
        yield Problem(KEY, f"neither figure nor summary shows any of it; allowed: {names}")
    for name in wide_metrics:
        if name in METRICS and METRICS[name].is_curve:
            yield Problem("summary", f"{name} has a value for each {RELEARNING_STEP}; draw it")
    yield from _axis_problems(figure)
    yield from _part_problems(selection)


def _axis_problems(figure: Mapping) -> Iterator[Problem]:
    """Curves stand against the steps of relearning, and nothing else does."""
    has_steps = figure["x"] == RELEARNING_STEP
    for name in figure["y"]:
        if name in METRICS and METRICS[name].is_curve is not has_steps:
            allowed = "metrics of relearning" if has_steps else RELEARNING_STEP
            yield Problem("figure.x", f"{figure['x']} does not fit {name}; allowed: {allowed}")


def _part_problems(selection: Selection) -> Iterator[Problem]:
    """Relearning needs single networks, and two deleted points or more."""
    for variant in selection.variants:
        if variant.trainer.component.ensemble and variant.kind not in CONTROLS:
            message = "unlearns ensembles, relearning fine-tunes one network"
            yield Problem("method", f"{variant.name} {message}; allowed: methods of other trainers")
    for request in selection.requests:
        if "delete" not in request.component.changes:
            yield Problem("request", f"{request.name} deletes nothing that could be relearned")
        elif request.parameters.get("count") == 1:
            message = "deletes one point, one half is relearned and one scored; allowed: 2 or more"
            yield Problem("request", f"{request.name} {message}")
