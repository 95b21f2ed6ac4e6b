"""How many cells a study has, counted before they are made."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from unlearn.evaluation.placement import CONTROLS
from unlearn.study import populations, schema, sections
from unlearn.study.messages import InvalidError

MAX_CELLS = 50_000
"""Cells of all experiments together. Snakemake plans 10,000 in a minute and a half."""

MAX_CHOICES = 2_000
"""Versions of one key of an experiment: data sets, models, methods or requests."""

GRID_KEYS = ("dataset", "model", "method", "request")
"""The keys of an experiment whose versions multiply."""


def check(config: Mapping) -> None:
    """Raise InvalidError for a study of more cells than can be planned.

    Nothing is expanded. Parts that are listed twice count twice.
    """
    arrays = sections.array_parameters()
    sizes = {}
    for name, block in config["experiments"].items():
        path = f"experiments.{name}"
        counts = [_choices(block, key, path, arrays) for key in GRID_KEYS]
        counts[GRID_KEYS.index("method")] += len(CONTROLS)
        fleets = _fleet_count(block["seeds"], block["fleet"])
        fleets += _population_fleet_count(block["population"], f"{path}.population")
        sizes[path] = math.prod(counts) * fleets
        counts[GRID_KEYS.index("method")] = config["tuning"]["trials"] * tuned_count(
            block["method"], config["methods"], arrays
        )
        sizes[path] += math.prod(counts)
    for name, block in config["pictures"].items():
        _choices(block, "dataset", f"pictures.{name}", arrays)
    for name, block in config["certificate_audits"].items():
        _choices(block, "method", f"certificate_audits.{name}", arrays)
    cells = sum(sizes.values())
    if cells > MAX_CELLS:
        largest = max(sizes, key=sizes.__getitem__)
        raise InvalidError(
            largest,
            f"has {sizes[largest]:,} of the {cells:,} cells of this study; allowed: at most "
            f"{MAX_CELLS:,} cells in a study",
        )


def choice_count(block: Any, arrays: Collection[str] = ()) -> int:
    """The number of versions that `components.choices` makes of a block."""
    if isinstance(block, list):
        return sum(choice_count(element, arrays) for element in block)
    if isinstance(block, Mapping):
        return math.prod(_version_count(key, value, arrays) for key, value in block.items())
    return 1


def tuned_count(block: Any, methods: Mapping, arrays: Collection[str] = ()) -> int:
    """The number of versions of a block of methods that are tuned.

    Args:
        block: The block.
        methods: The section `methods` of the study, whose blocks may say `tuned`.
        arrays: The keys whose values are lists themselves.
    """
    if isinstance(block, list):
        return sum(tuned_count(element, methods, arrays) for element in block)
    written = block if isinstance(block, Mapping) else {"name": block}
    named = methods.get(written.get("name")) if isinstance(written.get("name"), str) else None
    is_tuned = written.get("tuned", (named or {}).get("tuned", False))
    return choice_count(block, arrays) if is_tuned else 0


def _choices(block: Mapping, key: str, path: str, arrays: Collection[str]) -> int:
    """The versions of a key of an experiment or picture; InvalidError for too many."""
    count = choice_count(block[key], arrays)
    if count > MAX_CHOICES:
        reason = f"stands for {count:,} versions; allowed: at most {MAX_CHOICES:,}"
        raise InvalidError(f"{path}.{key}", reason)
    return count


def _version_count(key: str, value: Any, arrays: Collection[str]) -> int:
    if key not in arrays:
        return choice_count(value, arrays)
    is_nested = isinstance(value, list) and all(isinstance(element, list) for element in value)
    return len(value) if is_nested else 1


def _fleet_count(seeds: Any, size: int) -> int:
    """The number of fleets of some seeds, `size` in each."""
    numbers = set(map(int, seeds)) if isinstance(seeds, list) else range(int(seeds))
    return len({number // size for number in numbers})


def _population_fleet_count(choice: Any, path: str) -> int:
    """The fleets of populations, as if every method had all of them: more than there are."""
    if choice is None:
        return 0
    rules = schema.definition("population")
    count = 0
    for written in choice if isinstance(choice, list) else [choice]:
        try:
            schema.check(written, rules)
        except InvalidError as error:
            raise InvalidError(f"{path}.{error.path}".strip("."), str(error)) from error
        block = populations.completed(schema.with_defaults(written, rules))
        models = block["originals"] + block["oracles"]
        count += math.ceil(models / block["fleet"])
    return count
