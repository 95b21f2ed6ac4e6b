"""How exact unlearning is."""

from dataclasses import dataclass

LEVELS = ("exact", "conditional", "certified", "approximate", "none")


@dataclass(frozen=True)
class Guarantee:
    """How exact unlearning is, and why.

    `exact`: the result has the distribution of retraining. `conditional`: exact if what the reason
    names holds. `certified`: within a stated epsilon and delta. `approximate`, `none`: no promise.
    """

    level: str
    reason: str = ""
    serves: tuple[str, ...] = ("delete", "add")
    """The changes of the training set for which the level holds."""

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            allowed = ", ".join(LEVELS)
            raise ValueError(f"guarantee: {self.level!r} is not allowed; allowed: {allowed}")
