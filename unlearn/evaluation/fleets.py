"""What scoring reads: the points of outputs, and the fleets of a cell and of its references.

A fleet has K members after T steps of a request. Outputs are about P points: the evaluated
training points, in the order of their ids, then all validation points, then all test points.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from unlearn.metrics.metric import ORACLE, ORIGINAL, SPLITS
from unlearn.requests.request import Step


@dataclass(frozen=True)
class EvaluatedPoints:
    """The points that outputs are about."""

    ids: np.ndarray
    """Ids of the evaluated training points, sorted."""
    sample_ids: np.ndarray
    """Those of them that were drawn without regard to the request: they stand for all points."""
    train_labels: np.ndarray
    """The class of every training point, evaluated or not."""
    validation_labels: np.ndarray
    test_labels: np.ndarray
    twins: int = 0
    """Deleted points that have a near-duplicate left in the training set."""
    swapped_classes: tuple[int, int] | None = None
    """The classes between which training points have exchanged labels, if any have."""

    def split(self, step: Step) -> "SplitPoints":
        """The splits that a step makes."""
        kept_ids = np.setdiff1d(step.retain_ids, step.added_ids)
        split_ids = {
            "forget": step.forget_ids,
            "retain": np.intersect1d(kept_ids, self.sample_ids),
            "added": step.added_ids,
        }
        split_rows = {name: np.searchsorted(self.ids, ids) for name, ids in split_ids.items()}
        validation_end = len(self.ids) + len(self.validation_labels)
        split_rows["validation"] = np.arange(len(self.ids), validation_end)
        split_rows["test"] = validation_end + np.arange(len(self.test_labels))
        train_labels = self.train_labels[self.ids]
        return SplitPoints(
            labels=np.concatenate([train_labels, self.validation_labels, self.test_labels]),
            rows={name: rows for name, rows in split_rows.items() if len(rows)},
            swapped_classes=self.swapped_classes,
        )


@dataclass(frozen=True)
class SplitPoints:
    """The points of outputs after one step, by split."""

    labels: np.ndarray
    """The classes of the P points."""
    rows: Mapping[str, np.ndarray]
    """Rows of the outputs by split; splits without points are left out."""
    swapped_classes: tuple[int, int] | None = None
    """See `EvaluatedPoints`."""

    @property
    def scored_rows(self) -> dict[str, np.ndarray]:
        """The rows of the splits that have scores: all but the validation points."""
        return {split: self.rows[split] for split in SPLITS if split in self.rows}


@dataclass(frozen=True)
class ScoredFleet:
    """A fleet after a request."""

    logits: np.ndarray
    """K x T x P x classes."""
    votes: np.ndarray
    """K x T x S x P: the class that each of S constituents predicts; S is 0 for a single model."""
    weights: Callable[[int, int], Mapping[str, np.ndarray]]
    """weights(member, position): the tensors of a member after a step, 0 <= position < T."""
    weight_names: Sequence[str]
    """The tensors that the distance of weights compares."""
    costs: Sequence[Sequence[Mapping]]
    """K x T records of what the step took."""
    weight_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The shapes of these tensors of a model, by name: the size of the models."""
    claims: Sequence[Sequence[str | None]] = ()
    """K x T certificates as JSON; None where the method claims nothing, empty where it never
    does."""

    def state(self, member: int, position: int) -> "MemberState":
        """One member after one step."""
        return MemberState(self, member, position)

    def states(self, position: int) -> list["MemberState"]:
        """All K members after one step."""
        return [self.state(member, position) for member in range(len(self.costs))]


@dataclass(frozen=True)
class MemberState:
    """One member of a fleet after one step of a request."""

    fleet: ScoredFleet
    member: int
    position: int
    """The position of the step in the request, from 0."""

    @property
    def logits(self) -> np.ndarray:
        """P x classes."""
        return self.fleet.logits[self.member, self.position]

    @property
    def votes(self) -> np.ndarray:
        """S x P."""
        return self.fleet.votes[self.member, self.position]

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """The tensors, read when asked for."""
        return self.fleet.weights(self.member, self.position)

    @property
    def costs(self) -> Sequence[Mapping]:
        """The records of all steps up to this one."""
        return self.fleet.costs[self.member][: self.position + 1]

    @property
    def is_finite(self) -> bool:
        """Whether the weights and outputs are finite numbers: the member has not diverged."""
        return not self.costs[-1]["diverged"]


@dataclass(frozen=True)
class TrainedFleet:
    """The fleet before the request."""

    weights: Sequence[Mapping[str, np.ndarray]]
    """The tensors of each member."""
    costs: Sequence[Mapping]
    """The record of what training each member took; empty if training failed."""


@dataclass(frozen=True)
class Comparison:
    """The fleets that a cell is scored from; None where one failed or does not exist."""

    trained: TrainedFleet
    unlearned: ScoredFleet | None
    oracle: ScoredFleet | None
    """The retrained fleet. It is `unlearned` itself where the oracle is what is scored."""
    original: ScoredFleet | None = None
    """The fleet after doing nothing. It is `unlearned` itself where that is what is scored."""
    references: Mapping[str, ScoredFleet | None] = field(default_factory=dict)
    """Other fleets that predictions are compared with, by the names that metrics know."""
    promised_level: str = "none"
    """The level of guarantee that the plan states for the setting of the cell."""

    def compared(self) -> dict[str, ScoredFleet | None]:
        """The fleets that predictions are compared with, by the names that metrics know."""
        originals = {} if self.original is None else {ORIGINAL: self.original}
        return {ORACLE: self.oracle, **originals, **self.references}
