"""From the blocks `population` of an experiment to populations of fleets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from unlearn.study import populations, schema
from unlearn.study.populations import Population
from unlearn.study.variants import random_networks
from unlearn.training.fleet import Member

if TYPE_CHECKING:
    from unlearn.study.resolve import Resolver


def resolve_populations(
    resolver: Resolver, choice: Any, seeds: Collection[int], path: str
) -> Iterator[Population]:
    """The populations of an experiment; the networks that are not trained become a variant.

    Args:
        resolver: Registers fleets and variants; raises StudyError for a block that cannot be.
        choice: The block, a list of blocks, or None.
        seeds: Those of the models of the experiment besides.
        path: Where the block stands, for error messages.
    """
    if choice is None:
        return
    random_networks(resolver)
    rules = schema.definition("population")
    for written in choice if isinstance(choice, list) else [choice]:
        block = populations.completed(schema.with_defaults(written, rules))
        resolver.at(path, populations.check, block, seeds)
        half = block["oracles"] // 2
        members = {
            "originals": populations.ORIGINAL_SEEDS[: block["originals"]],
            "unlearned": populations.ORIGINAL_SEEDS[: block["unlearned"]],
            "nothing": populations.ORIGINAL_SEEDS[: block["unlearned"]],
            "reference": populations.REFERENCE_SEEDS[:half],
            "floor": populations.FLOOR_SEEDS[:half],
            "random": populations.RANDOM_SEEDS,
        }
        size = block["fleet"]
        fleets = {group: resolver.fleets(numbers, size) for group, numbers in members.items()}
        if block["kind"] == populations.SINGLE:
            fleets["unlearned"] = _fleets_of_one(
                resolver, fleets["originals"][0], block["unlearned"], size
            )
        population = Population(
            populations.name(block),
            **fleets,
            kind=block["kind"],
            columns={
                f"population.{key}": block[key]
                for key in ("originals", "oracles", "unlearned", "kind")
            },
        )
        name = population.name
        if resolver.study.populations.setdefault(name, population) != population:
            resolver.fail(path, f"fleet: {size} differs from another experiment's for {name}")
        yield population


def _fleets_of_one(resolver: Resolver, original: str, models: int, size: int) -> tuple[str, ...]:
    """The fleets of models that are unlearned from the first member of one trained fleet.

    Args:
        resolver: Registers fleets.
        original: The trained fleet.
        models: The number of models.
        size: That of a fleet.
    """
    study = resolver.study
    seed = study.fleets[original][0].seed
    names = []
    for start in range(0, models, size):
        numbers = range(start, min(start + size, models))
        name = f"seed{seed}-unlearning{numbers.start}-{numbers.stop - 1}"
        study.fleets[name] = tuple(Member(seed, unlearning_seed=number) for number in numbers)
        study.trained_fleets[name] = original
        names.append(name)
    return tuple(names)
