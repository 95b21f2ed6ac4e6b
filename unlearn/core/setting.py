"""The facts of a cell that are known before anything runs: components check that they fit."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DataFacts:
    """The facts of a data set that the plan knows."""

    name: str
    classes: int
    shape: tuple[int, int, int]
    """The shape of a point as models see it: H, W, C; features are 1, 1, F."""
    points: int
    """Training points, including those that are held out."""
    held_out: int
    """Training points that are kept out of base training."""
    source_points: int | None = None
    """Training points of the source, before validation split and subset; None where unknown."""
    noised: float | None = None
    """The share of the points in base training whose images carry noise; None without noise."""
    swapped_classes: tuple[int, int] | None = None
    """The classes between which points have exchanged labels; None where all labels are true."""
    swapped_points: int | None = None
    """The number of these points; None where it depends on the sizes of the classes."""
    features: tuple[str, ...] = ()
    """The kinds of features that models see instead of pixels."""
    public_features: tuple[str, ...] = ()
    """Those of them that are standardised by the held-out points."""

    @property
    def base_points(self) -> int:
        """Training points in base training."""
        return self.points - self.held_out


@dataclass(frozen=True)
class Setting:
    """The components of a cell; None where a check does not depend on them."""

    data: DataFacts | None = None
    model: Any = None
    """A `models.base.Architecture`."""
    recipe: Any = None
    """A `training.recipe.Recipe`."""
    trainer: Any = None
    """A `trainers.base.Trainer`."""
    method: Any = None
    """A `methods.base.Method`."""
    request: Any = None
    """A `requests.base.Sampler`."""
