"""One row of the catalogue of metrics: what a metric is, and the function that computes it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from unlearn.metrics.finding import Finding
    from unlearn.metrics.populations import Populations

ORACLE = "oracle"
"""The fleet that a method is compared with, unless a metric names another reference."""

ORIGINAL = "original"
"""The fleet before the request, as the method that does nothing leaves it."""

OTHER_SEED = "other seed"
"""The reference of a floor: the members of the oracle that have other seeds."""

TWIN = "twin"
"""The reference of a certificate: the same noisy procedure, with the same noise, that never saw the
deleted points."""

SPLITS = ("forget", "retain", "added", "test")
"""The sets of points that predictions are scored on."""

AUDITED_SPLITS = ("forget", "retain", "validation", "test")
"""The sets of points that metrics of populations are about."""

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

OfPopulation = Callable[["Populations", str], "Finding"]
"""of_population(populations, split): a metric of all models of a setting."""

OfExamples = Callable[["Populations"], np.ndarray | None]
"""of_examples(populations): float, one value per deleted point; None where there is none."""


OfMeasures = Callable[[Mapping[str, float | None], Mapping[str, float | None]], float | None]
"""of_measures(reference_measures, measures): one number for the differences of several measures,
accuracies by split and the success of the attack as `attack`."""

OfClasses = Callable[[np.ndarray, np.ndarray, tuple[int, int]], float | None]
"""of_classes(logits N x C, labels N, classes): how two classes are told apart."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a metric is.

    At most one of the functions `of_...` is given. The costs, the flags and the distances of
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
    rule: str = "score"
    """The rule that computes the metric; those of other rules are in files of their own."""
    is_curve: bool = False
    """Whether there is a value for each number of steps of relearning."""
    reference: str = ORACLE
    """What a metric of a pair compares with: ORACLE, ORIGINAL, OTHER_SEED, or a fleet that methods
    name."""

    of_model: OfModel | None = None
    of_pair: OfPair | None = None
    of_votes: OfVotes | None = None
    of_attack: OfAttack | None = None
    of_population: OfPopulation | None = None
    of_examples: OfExamples | None = None
    """What `of_population` is made of: one value per deleted point."""
    of_measures: OfMeasures | None = None
    difference_of: str = ""
    """The attack whose success, minus that against the reference, the metric is."""
    of_classes: OfClasses | None = None

    needs_validation: bool = False
    """Whether a metric of populations reads points of the validation split."""
    min_models: int = 0
    """The models a side that a metric of populations needs."""

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
    tuning_field: str = ""
    """The field that a metric has in the costs of choosing parameters among trials."""
    floor_of: str = ""
    """The metric that a floor measures between oracles of different seeds."""

    is_calibrated: bool = False
    """Whether logits are divided by a temperature that is fitted on the validation points."""
    is_clocked: bool = False
    """Whether values differ from run to run; all others are the same to the last bit."""
    is_trainer_specific: bool = False
    """Whether only the models of those trainers have the metric that list it."""
    is_signed: bool = False
    """Whether a value can be negative."""
    maximum: float = math.inf
    """The largest value, if the unit does not tell it."""
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
    def is_about_points(self) -> bool:
        """Whether a value is about the points of a split, so that there is none without any."""
        functions = (self.of_attack, self.of_measures, self.of_population, self.of_classes)
        functions = (*functions, self.difference_of, self.rule == "relearn")
        return self.splits == SPLITS or any(functions)

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest value that a sound computation can give."""
        is_bounded = self.is_percentage or self.is_flag or bool(self.of_attack)
        largest = min(self.maximum, 1.0 if is_bounded or self.difference_of else math.inf)
        return (-largest if self.is_signed else 0.0), largest

    @property
    def is_flag(self) -> bool:
        """Whether a value says that something happened."""
        return self.unit == "flag"

    @property
    def is_quality(self) -> bool:
        """Whether a value says how near a model is to the oracle."""
        is_comparison = self.scope != "model" and self.better is not None and not self.speedup_of
        return self.better == "oracle" or is_comparison

    @property
    def is_percentage(self) -> bool:
        """Whether values are stored as fractions and shown in percent."""
        return self.unit == "fraction"

    @property
    def scale(self) -> int:
        """The factor from a stored value to the value that is shown."""
        return 100 if self.is_percentage else 1


def row(family: Metric, name: str, label: str, **columns: object) -> Metric:
    """A member of a family of metrics, with the columns in which it differs."""
    return replace(family, name=name, label=label, **columns)
