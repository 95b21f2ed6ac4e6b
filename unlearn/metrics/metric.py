"""One row of the catalogue of metrics: what a metric is, and the function that computes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

ORACLE = "oracle"
"""The fleet that a method is compared with, unless a metric names another reference."""

OTHER_SEED = "other seed"
"""The reference of a floor: the members of the oracle that have other seeds."""

SPLITS = ("forget", "retain", "added", "test")
"""The sets of points that predictions are scored on."""

PHASES = ("learn", "forget")
"""The parts of a method that cost something."""

OfModel = Callable[[np.ndarray, np.ndarray], float | None]
"""of_model(logits N x C, labels N): a metric of the predictions of one model."""

OfPair = Callable[[np.ndarray, np.ndarray, np.ndarray], float | None]
"""of_pair(reference_logits N x C, logits N x C, labels N): a metric of two models' predictions."""

OfVotes = Callable[[np.ndarray, np.ndarray], float | None]
"""of_votes(votes S x N, labels N): a metric of an ensemble of S constituents."""

OfAttack = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float | None]
"""of_attack(logits N x C, labels N, test_logits M x C, test_labels M): the success of an attack
that tells deleted points from test points."""

OfClasses = Callable[[np.ndarray, np.ndarray, tuple[int, int]], float | None]
"""of_classes(logits N x C, labels N, classes): how two classes are told apart."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a metric is.

    At most one of the five functions `of_...` is given. The costs, the flags and the distances of
    weights have none: `unlearn.evaluation.score` reads them from records and weights.
    """

    name: str
    label: str
    """The text on an axis."""
    unit: Literal["fraction", "ratio", "nats", "seconds", "bytes", "count", "flag", "norm"] = (
        "ratio"
    )
    """A `fraction` is shown in percent, a `ratio` as it is stored; a `flag` is 0 or 1."""
    splits: tuple[str, ...] = SPLITS
    """Where the metric has values: sets of points, the weights, or the phases of a method."""
    better: Literal["low", "high", "oracle"] | None = "oracle"
    """Which value is right; `oracle`: that of the retrained model; None: no value is."""
    scope: Literal["model", "pair", "population"] = "model"
    """What a value is about: a model, a model and its reference, or all models of a setting."""
    reference: str = ORACLE
    """What a metric of a pair compares with: ORACLE, OTHER_SEED, or a fleet that methods name."""

    of_model: OfModel | None = None
    of_pair: OfPair | None = None
    of_votes: OfVotes | None = None
    of_attack: OfAttack | None = None
    of_classes: OfClasses | None = None

    over_steps: Literal["sum", "complete_sum", "max", "last"] = "sum"
    """How a cost of the steps of a request adds up; `complete_sum`: only if every step has it."""
    speedup_of: str = ""
    """The cost whose ratio, oracle to method, a speed-up is."""
    is_of_one_size: bool = False
    """Whether a speed-up compares models of one size only: others cost more, or less, a sample."""
    noise_field: str = ""
    """The field that a metric has in the record of a search for noise."""
    scoring_field: str = ""
    """The field that a metric has in the costs of scoring points for a request."""
    floor_of: str = ""
    """The metric that a floor measures between oracles of different seeds."""

    is_clocked: bool = False
    """Whether values differ from run to run; all others are the same to the last bit."""
    is_trainer_specific: bool = False
    """Whether only the models of those trainers have the metric that list it."""
    is_signed: bool = False
    """Whether a value can be negative."""
    is_distance: bool = False
    """Whether 0 is perfect and no value is below, so that a frontier can be drawn of it."""
    is_frontier_cost: bool = False
    """Whether every method has it and low is better, so that a frontier can be drawn against it."""
    is_drawn_for_original: bool = True
    """Whether figures show the forget phase of doing nothing, which costs nothing."""
    short_name: str = ""
    """Words for the title of a panel, where the name says little."""

    @property
    def title(self) -> str:
        """The metric in the title of a panel."""
        return self.short_name or self.name.replace("_", " ")

    @property
    def is_flag(self) -> bool:
        """Whether a value says that something happened."""
        return self.unit == "flag"

    @property
    def is_percentage(self) -> bool:
        """Whether values are stored as fractions and shown in percent."""
        return self.unit == "fraction"

    @property
    def scale(self) -> int:
        """The factor from a stored value to the value that is shown."""
        return 100 if self.is_percentage else 1
