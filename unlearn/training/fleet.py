"""The members of a fleet: a training seed and, where asked for, a subset of the training ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unlearn.core import seeding


@dataclass(frozen=True)
class Subset:
    """A random share of base training."""

    fraction: float
    """In 0..1, both excluded."""
    draw: int
    """Which subset."""
    turn: int | None = None
    """Which part of the order of the draw is left out: that of the next turn follows it, round and
    round, so that turns leave out every point equally often. None leaves out the end."""

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction: {self.fraction} is not allowed; allowed: between 0 and 1")

    def ids(self, base_ids: np.ndarray) -> np.ndarray:
        """Sorted ids of the subset."""
        order = seeding.shuffled(base_ids, seeding.derive(self.draw, "subset"))
        if self.turn is not None:
            part = (1 - self.fraction) * len(order)
            start = round(self.turn * part)
            places = np.arange(start, round((self.turn + 1) * part)) % len(order)
            return np.sort(np.delete(order, places))
        return np.sort(order[: round(self.fraction * len(base_ids))])


@dataclass(frozen=True)
class Member:
    """One model of a fleet."""

    seed: int
    subset: Subset | None = None
    """None trains on all of base training."""
    unlearning_seed: int | None = None
    """The seed of methods, where several models are unlearned from one; None takes `seed`."""

    @property
    def method_seed(self) -> int:
        """The seed that a method gets."""
        return self.seed if self.unlearning_seed is None else self.unlearning_seed

    def train_ids(self, base_ids: np.ndarray) -> np.ndarray:
        """Sorted ids of the points that the member is trained on."""
        return base_ids if self.subset is None else self.subset.ids(base_ids)

    def describe(self) -> dict[str, Any]:
        """The member as JSON."""
        subset = self.subset and {"fraction": self.subset.fraction, "draw": self.subset.draw}
        if self.subset and self.subset.turn is not None:
            subset["turn"] = self.subset.turn
        described = {"seed": self.seed, "subset": subset}
        if self.unlearning_seed is not None:
            described["unlearning_seed"] = self.unlearning_seed
        return described

    @classmethod
    def read(cls, block: Mapping[str, Any]) -> "Member":
        """The inverse of `describe`."""
        subset = block.get("subset")
        subset = Subset(**subset) if subset else None
        return cls(block["seed"], subset, block.get("unlearning_seed"))
