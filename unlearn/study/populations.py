"""Populations: the many models of a cell's setting that audits compare, and the cells they need.

An audit is a cell whose fleet is the name of a population. Its models are ordinary cells: those
that a method unlearns, and oracles. Their training seeds lie in ranges of their own, and a smaller
population is the start of a larger one.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from unlearn.study.grid import Cell, Grid
from unlearn.study.messages import InvalidError

ORIGINAL_SEEDS = range(1_000_000, 2_000_000)
"""Seeds of models that are trained on all points, and then unlearned."""

REFERENCE_SEEDS = range(2_000_000, 3_000_000)
"""Seeds of half A of the oracles, which methods are compared with."""

FLOOR_SEEDS = range(3_000_000, 3_900_000)
"""Seeds of half B of the oracles, which stands for perfect unlearning."""

RANDOM_SEEDS = range(3_900_000, 3_900_008)
"""Seeds of networks that are not trained."""

RANDOM_NETWORKS = "retrain@untrained"
"""The variant of networks that are not trained."""

SINGLE = "single"
"""The kind of population whose models are all unlearned from one original."""

PILOT_SEEDS = range(5_000_000, 5_000_100)
"""Seeds of models that methods are tuned on."""

RESERVED_SEEDS = range(ORIGINAL_SEEDS.start, 4_000_000)


class Population(NamedTuple):
    """The fleets of a population, by their names."""

    name: str
    originals: tuple[str, ...]
    unlearned: tuple[str, ...]
    """The first of the originals, or the first one with other seeds of the method."""
    nothing: tuple[str, ...]
    """As many originals, which doing nothing leaves as they are."""
    reference: tuple[str, ...]
    """Half A of the oracles."""
    floor: tuple[str, ...]
    """Half B of the oracles."""
    random: tuple[str, ...]
    """Networks that are not trained."""
    kind: str
    """`multi`: each model is unlearned from an original of its own; `single`: all from one."""
    columns: Mapping[str, int | str]
    """The parameters as columns of a table."""

    @property
    def models_a_side(self) -> int:
        """The smaller of the unlearned models and of half the oracles."""
        oracles = self.columns["population.oracles"] // 2
        return min(self.columns["population.unlearned"], oracles)


class AuditGroups(NamedTuple):
    """The grids of the models that one audit compares."""

    unlearned: Grid
    """Half B of the oracles where the audited method is retraining itself."""
    reference: Grid
    originals: Grid
    random: Grid


def completed(block: Mapping) -> dict:
    """A validated block in which sizes that depend on the originals are filled in."""
    unlearned = block["originals"] if block["unlearned"] is None else block["unlearned"]
    oracles = 2 * unlearned if block["oracles"] is None else block["oracles"]
    return {**block, "unlearned": unlearned, "oracles": oracles}


def name(block: Mapping) -> str:
    """The canonical name of a population."""
    sizes = f"{block['originals']}-{block['oracles']}-{block['unlearned']}"
    return f"population{sizes}" + ("-single" if block["kind"] == SINGLE else "")


def check(block: Mapping, seeds: Collection[int]) -> None:
    """Raise InvalidError for a population that no audit can use.

    Args:
        block: The validated block.
        seeds: The seeds of the experiment, whose models are compared in pairs.
    """
    if block["oracles"] != 2 * block["unlearned"]:
        raise InvalidError(
            "oracles",
            f"{block['oracles']} give a floor of {block['oracles'] // 2} models, methods have "
            f"{block['unlearned']}, and values of different numbers cannot be compared; allowed: "
            f"{2 * block['unlearned']}",
        )
    if block["unlearned"] > block["originals"]:
        raise InvalidError(
            "unlearned",
            f"{block['unlearned']} models cannot be unlearned from {block['originals']} originals; "
            f"allowed: at most {block['originals']}",
        )
    shared_seed = next((seed for seed in seeds if seed in RESERVED_SEEDS), None)
    if shared_seed is not None:
        raise InvalidError(
            "",
            f"seed {shared_seed:,} is one of the seeds of populations, {RESERVED_SEEDS.start:,} to "
            f"{RESERVED_SEEDS.stop - 1:,}; allowed: other `seeds`",
        )


def audit_groups(
    cell: Cell, population: Population, original: str, oracle: str, is_oracle: bool
) -> AuditGroups:
    """The models that the audit of a cell compares.

    Args:
        cell: The audit.
        population: Its population.
        original: The variant that does nothing, of the cell's trainer.
        oracle: The variant that retrains, of the cell's trainer.
        is_oracle: Whether the audited method is retraining.
    """

    def grid(variant: str, fleets: tuple[str, ...]) -> Grid:
        return Grid([(cell.dataset, cell.model)], [variant], [cell.request], list(fleets))

    unlearned = population.nothing if cell.variant == original else population.unlearned
    if is_oracle:
        unlearned = population.floor
    return AuditGroups(
        unlearned=grid(cell.variant, unlearned),
        reference=grid(oracle, population.reference),
        originals=grid(original, population.originals),
        random=grid(RANDOM_NETWORKS, population.random),
    )
