"""The gates that a cell violates: those of its fleets after a step, and those of its values.

A refused cell has no scores. A flagged cell has them, and every table marks them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unlearn.evaluation import gates
from unlearn.evaluation.fleets import Comparison, MemberState, ScoredFleet, SplitPoints
from unlearn.metrics.accuracy import accuracy, mean_loss
from unlearn.metrics.loss_attack import loss_attack_auc


@dataclass(frozen=True)
class Violation:
    """A gate that a cell has violated."""

    gate: str
    """The name of the gate, as `metrics.gate_rows` has it."""
    reason: str
    """What was found, with the numbers."""
    is_refusal: bool
    """Whether the cell has no scores for it."""


def findings(
    fleets: Comparison, points: SplitPoints, position: int, *, changes_points: bool
) -> Iterator[Violation]:
    """The gates that the outputs of a cell violate after one step.

    Args:
        fleets: the fleets of the cell.
        points: the points of the outputs, by split.
        position: the position of the step in the request, from 0.
        changes_points: whether the request has deleted or added points by then.
    """
    states = _finite_states(fleets.unlearned, position)
    originals = _finite_states(fleets.original, position)
    oracles = _finite_states(fleets.oracle, position)
    if originals:
        yield from _base_findings(originals, points)
    if originals and oracles:
        yield from _oracle_findings(originals, oracles, points)
    is_control = fleets.unlearned is fleets.original or fleets.unlearned is fleets.oracle
    if states and originals and changes_points and fleets.unlearned is not fleets.original:
        yield from _noop_findings(fleets, position)
    if states and originals and oracles and not is_control and "forget" in points.rows:
        yield from _excess_findings(states, oracles, originals, points)
    reasons = [
        gates.collapse(_accuracy(state, points, "retain"), state.logits[points.rows["test"]])
        for state in states
    ]
    for reason in list(filter(None, reasons))[:1]:
        count = len(reasons) - reasons.count(None)
        yield Violation("collapse", f"{count} of {len(reasons)} models: {reason}", is_refusal=False)


def value_findings(
    rows: Iterable[tuple[str, str, float | None]], sizes: Mapping[str, int]
) -> Iterator[Violation]:
    """The gates that values violate: metric, split and value of models that have not diverged.

    `sizes` are the numbers of points by split.
    """
    for metric, split, value in rows:
        reason = gates.not_finite(metric, split, value)
        if reason:
            yield Violation("not finite", reason, is_refusal=True)
            continue
        reason = gates.out_of_range(metric, split, value, sizes.get(split))
        if reason:
            yield Violation("out of range", reason, is_refusal=True)


def _base_findings(originals: Sequence[MemberState], points: SplitPoints) -> Iterator[Violation]:
    """The gate of the trained models. It is a flag: models of unlearnable data are at chance."""
    test_points = len(points.rows["test"])
    reason = gates.untrained_base(
        _mean_accuracy(originals, points, "retain"),
        _mean_accuracy(originals, points, "test"),
        1 / originals[0].logits.shape[1],
        test_points,
    )
    yield from _flag("untrained base", reason)


def _oracle_findings(
    originals: Sequence[MemberState], oracles: Sequence[MemberState], points: SplitPoints
) -> Iterator[Violation]:
    """The gates of the oracle.

    Small data and short trainings cost an honest oracle some accuracy, so only one that is nearer
    to chance than to the original is refused.
    """
    original = _mean_accuracy(originals, points, "retain")
    oracle = _mean_accuracy(oracles, points, "retain")
    if original is None or oracle is None:
        return
    reason = gates.broken_oracle(oracle, original, 1 / originals[0].logits.shape[1])
    if reason:
        yield Violation("oracle quality", reason, is_refusal=True)
    else:
        yield from _flag("oracle quality", gates.oracle_quality(oracle, original))


def _noop_findings(fleets: Comparison, position: int) -> Iterator[Violation]:
    """The gate of doing nothing; it refuses where no model of the cell has changed."""
    logits = fleets.unlearned.logits[:, position]
    original_logits = fleets.original.logits[:, position]
    members = gates.no_op(logits, original_logits)
    if members:
        reason = f"{len(members)} of {len(logits)} models predict what the original does"
        yield Violation("no-op", reason, is_refusal=len(members) == len(logits))


def _excess_findings(
    states: Sequence[MemberState],
    oracles: Sequence[MemberState],
    originals: Sequence[MemberState],
    points: SplitPoints,
) -> Iterator[Violation]:
    """The gate of going beyond the oracle, by accuracy, attack and loss on deleted points."""
    resolution = 1 / len(points.rows["forget"])
    measures = {"forget accuracy": _forget_accuracy, "AUC of the attack": _attack}
    for name, measure in measures.items():
        values = [[measure(s, points) for s in group] for group in (states, oracles, originals)]
        if any(None in group for group in values):
            continue
        means = [float(np.mean(group)) for group in values]
        reason = gates.over_unlearning(means[0], values[1], means[2], resolution)
        yield from _flag("over-unlearning", reason and f"{name} {reason}")
    losses = [np.mean([_forget_loss(s, points) for s in group]) for group in (states, oracles)]
    yield from _flag("over-unlearning", gates.excessive_loss(*map(float, losses)))


def _flag(gate: str, reason: str | None) -> Iterator[Violation]:
    """The flag of a gate, if there is a reason."""
    if reason:
        yield Violation(gate, reason, is_refusal=False)


def _finite_states(fleet: ScoredFleet | None, position: int) -> list[MemberState]:
    """The members of a fleet after a step that have not diverged; none without a fleet."""
    return [] if fleet is None else [s for s in fleet.states(position) if s.is_finite]


def _mean_accuracy(states: Sequence[MemberState], points: SplitPoints, split: str) -> float | None:
    """The mean accuracy of models on a split; None without points."""
    values = [_accuracy(state, points, split) for state in states]
    return None if None in values else float(np.mean(values))


def _accuracy(state: MemberState, points: SplitPoints, split: str) -> float | None:
    """The accuracy of a model on a split; None without points."""
    if split not in points.rows:
        return None
    rows = points.rows[split]
    return accuracy(state.logits[rows], points.labels[rows])


def _forget_accuracy(state: MemberState, points: SplitPoints) -> float | None:
    """The accuracy of a model on deleted points."""
    return _accuracy(state, points, "forget")


def _forget_loss(state: MemberState, points: SplitPoints) -> float | None:
    """The mean cross-entropy of a model on deleted points."""
    rows = points.rows["forget"]
    return mean_loss(state.logits[rows], points.labels[rows])


def _attack(state: MemberState, points: SplitPoints) -> float | None:
    """The success of the attack by loss on a model."""
    rows = points.rows["forget"]
    test_rows = points.rows["test"]
    return loss_attack_auc(
        state.logits[rows], points.labels[rows], state.logits[test_rows], points.labels[test_rows]
    )
