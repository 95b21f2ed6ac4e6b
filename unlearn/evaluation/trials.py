"""How good a trial of a method is, and which trial is chosen. Numpy only.

Two tracks. `validation` needs no oracle: deleted points should be predicted as points are that the
model never saw, the validation points of the same classes. A class of which no point is left should
not be predicted at all: its accuracy and its mean probability take the place of the two gaps.
`oracle` compares with the model that was retrained. On both tracks the objective is a sum of three
parts, each between 0 and 1, of which 0 is right:

    |accuracy on deleted points - that on the reference|
    + |2 AUC(losses of deleted points, losses of the reference) - 1|
    + what is lost of the accuracy on validation points
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unlearn.metrics.accuracy import accuracy, losses
from unlearn.metrics.membership import roc_auc


@dataclass(frozen=True)
class JudgedPoints:
    """The points that trials are judged on: rows of outputs P x classes."""

    forget_rows: np.ndarray
    forget_labels: np.ndarray
    """What deleted points are labelled with in training."""
    forget_classes: np.ndarray
    """The true classes of deleted points, which differ where labels were exchanged."""
    validation_rows: np.ndarray
    validation_classes: np.ndarray
    retained_classes: frozenset[int]
    """The classes of which points are left to train on."""

    def problem(self, track: str) -> str:
        """Why no trial can be judged on a track; nothing where trials can be."""
        if not len(self.kept_rows):
            return "the validation split has no point of a class that is left"
        compared = {true for true, label, _ in self.groups() if label in self.retained_classes}
        if track == "oracle" or not compared or compared & {*self.validation_classes.tolist()}:
            return ""
        classes = ", ".join(map(str, sorted(compared)))
        return f"the validation split has no point of the deleted points' classes: {classes}"

    @property
    def kept_rows(self) -> np.ndarray:
        """The rows of validation points of classes that are left."""
        return self.validation_rows[np.isin(self.validation_classes, [*self.retained_classes])]

    @property
    def kept_classes(self) -> np.ndarray:
        """The classes of these points."""
        kept = np.isin(self.validation_classes, [*self.retained_classes])
        return self.validation_classes[kept]

    def groups(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """True class, label and places of the deleted points that share both."""
        pairs = np.stack([self.forget_classes, self.forget_labels], axis=1)
        for true_class, label in np.unique(pairs, axis=0):
            places = np.flatnonzero((pairs == (true_class, label)).all(axis=1))
            yield int(true_class), int(label), places


@dataclass(frozen=True)
class Judgement:
    """The parts of the objective for one model."""

    forget_gap: float
    distribution_gap: float
    utility_lost: float

    @property
    def objective(self) -> float:
        """Their sum: 0 is right."""
        return self.forget_gap + self.distribution_gap + self.utility_lost


PARTS = ("forget_gap", "distribution_gap", "utility_lost")
"""The parts of the objective, in its order."""


def judged_by_validation(
    logits: np.ndarray, original_logits: np.ndarray, points: JudgedPoints
) -> Judgement:
    """A model against its own predictions for validation points.

    Args:
        logits: Those of the unlearned model, P x classes.
        original_logits: Those of the trained model, P x classes.
        points: The points.
    """
    accuracy_gap = removed_accuracy = skew = removed_probability = 0.0
    for true_class, label, places in points.groups():
        share = len(places) / len(points.forget_labels)
        rows = points.forget_rows[places]
        labels = np.full(len(places), label)
        reference_rows = points.validation_rows[points.validation_classes == true_class]
        group_accuracy = accuracy(logits[rows], labels)
        if label not in points.retained_classes:
            removed_accuracy += share * group_accuracy
            removed_probability += share * float(np.exp(-losses(logits[rows], labels)).mean())
        elif len(reference_rows):
            reference_labels = np.full(len(reference_rows), label)
            reference_accuracy = accuracy(logits[reference_rows], reference_labels)
            accuracy_gap += share * (group_accuracy - reference_accuracy)
            area = roc_auc(
                losses(logits[rows], labels), losses(logits[reference_rows], reference_labels)
            ).value
            skew += share * (2 * area - 1)
    kept = points.kept_rows
    utility = accuracy(logits[kept], points.kept_classes)
    lost = accuracy(original_logits[kept], points.kept_classes) - utility
    return Judgement(
        abs(accuracy_gap) + removed_accuracy, abs(skew) + removed_probability, max(lost, 0.0)
    )


def judged_by_oracle(
    logits: np.ndarray, oracle_logits: np.ndarray, points: JudgedPoints
) -> Judgement:
    """A model against the one that was retrained; both logits P x classes."""
    rows = points.forget_rows
    labels = points.forget_labels
    area = roc_auc(losses(logits[rows], labels), losses(oracle_logits[rows], labels)).value
    forget_gap = accuracy(logits[rows], labels) - accuracy(oracle_logits[rows], labels)
    kept = points.kept_rows
    classes = points.kept_classes
    gap = accuracy(logits[kept], classes) - accuracy(oracle_logits[kept], classes)
    return Judgement(abs(forget_gap), abs(2 * area - 1), abs(gap))


@dataclass(frozen=True)
class Trial:
    """One setting of a method, and how it did."""

    judgements: Sequence[Judgement]
    """One a pilot model; empty where the trial cannot be used."""
    gradient_evaluations: float
    """The mean of the models."""
    problem: str = ""
    """Why the trial cannot be used."""

    @property
    def objective(self) -> float | None:
        """The mean of the models; None where the trial cannot be used."""
        return self.mean("objective")

    def mean(self, part: str) -> float | None:
        """The mean of a part of the objective over models."""
        values = [getattr(judgement, part) for judgement in self.judgements]
        return None if self.problem or not values else float(np.mean(values))


def best(trials: Sequence[Trial]) -> int | None:
    """The place of the trial with the lowest objective; of equal ones the cheapest, the first.

    None where no trial can be used.
    """
    usable = [place for place, trial in enumerate(trials) if trial.objective is not None]

    def rank(place: int) -> tuple[float, float, int]:
        return trials[place].objective, trials[place].gradient_evaluations, place

    return min(usable, key=rank, default=None)
