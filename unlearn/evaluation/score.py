"""From the artefacts of a cell to its scores: tidy rows of step, seed, metric, split, value.

Numpy only. The right value of every metric is the oracle's: the model that was retrained without
the deleted points, from the same initial weights and in the same order. Member k of a fleet is
compared with member k of the oracle, which has its seed.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from unlearn.evaluation.calibrated import Outputs
from unlearn.evaluation.fleets import Comparison, EvaluatedPoints, MemberState, SplitPoints
from unlearn.metrics.accuracy import accuracy
from unlearn.metrics.average_gap import TOW_SPLITS
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.distance import l2, relative
from unlearn.metrics.metric import ORACLE, OTHER_SEED, TWIN, Metric
from unlearn.requests.request import Step

Row = tuple[int, int, str, str, float | None]
"""Step, seed, metric, split, value."""

Score = tuple[str, str, float | None]
"""Metric, split, value of one member after one step."""


def score(
    points: EvaluatedPoints, steps: Sequence[Step], seeds: Sequence[int], fleets: Comparison
) -> Iterator[Row]:
    """Score every member of a cell after every step.

    Args:
        points: the points that outputs are about.
        steps: the T steps of the request.
        seeds: the seeds of the K members.
        fleets: the fleets that are scored and compared with.

    Returns:
        The rows. A cell that failed has two rows for each member, which say so. Without an oracle
        the metrics that compare with it have no value.
    """
    for *key, value in raw_score(points, steps, seeds, fleets):
        yield *key, finite_number(value)


def raw_score(
    points: EvaluatedPoints, steps: Sequence[Step], seeds: Sequence[int], fleets: Comparison
) -> Iterator[Row]:
    """The rows of `score` with values as they were computed, which may not be finite."""
    for position, step in enumerate(steps):
        outputs = Outputs(points.split(step))
        for member, seed in enumerate(seeds):
            scores = _member_scores(outputs, fleets, member, position)
            for metric, split, value in scores:
                yield step.index, seed, metric, split, value


def _member_scores(
    outputs: Outputs, fleets: Comparison, member: int, position: int
) -> Iterator[Score]:
    """The scores of one member after one step, in the order of a score file.

    Args:
        outputs: what metrics get of models.
        fleets: the fleets that are scored and compared with.
        member: the number of the member in its fleet, from 0.
        position: the position of the step in the request, from 0.
    """
    is_trained = member < len(fleets.trained.costs)
    if is_trained:
        for cost, value in fleets.trained.costs[member].items():
            yield cost, "learn", value
    yield "completed", "learn", is_trained
    yield "completed", "forget", fleets.unlearned is not None
    if fleets.unlearned is None:
        return
    state = fleets.unlearned.state(member, position)
    references = {
        name: None if fleet is None else fleet.state(member, position)
        for name, fleet in fleets.compared().items()
    }
    oracle = references[ORACLE]
    yield from _cost_scores(state, oracle)
    points = outputs.points
    yield from _prediction_scores(state, references, outputs)
    if fleets.unlearned is fleets.oracle and state.is_finite:
        yield from _floor_scores(state, outputs)
    yield from _summary_scores(state, oracle, points)
    yield from _attack_scores(state, references, points)
    yield from _class_scores(state, points)
    yield from _weight_scores(state, oracle, fleets.trained.weights[member])
    if TWIN in references:
        yield "l2_twin", "weights", _distance(state, references[TWIN])


def _cost_scores(state: MemberState, oracle: MemberState | None) -> Iterator[Score]:
    """What all steps so far took, and how much less than the oracle's.

    Where a cost depends on the size of the models it is compared among models of one size only.
    """
    totals = {cost: _total(state.costs, cost) for cost in state.costs[-1]}
    for cost, total in totals.items():
        yield cost, "forget", total
    if oracle is None:
        return
    has_size_of_oracle = state.fleet.weight_shapes == oracle.fleet.weight_shapes
    for metric in METRICS.values():
        if metric.speedup_of:
            total = totals[metric.speedup_of]
            oracle_total = _total(oracle.costs, metric.speedup_of)
            is_comparable = has_size_of_oracle or not metric.is_of_one_size
            yield metric.name, "forget", oracle_total / total if total and is_comparable else None


def _prediction_scores(
    state: MemberState,
    references: Mapping[str, MemberState | None],
    outputs: Outputs,
) -> Iterator[Score]:
    """The metrics of predictions, split by split; no value where a model has diverged."""
    model_metrics = [metric for metric in METRICS.values() if metric.of_model]
    vote_metrics = [metric for metric in METRICS.values() if metric.of_votes]
    points = outputs.points
    for split, rows in points.scored_rows.items():
        split_logits = state.logits[rows]
        split_labels = points.labels[rows]
        for metric in model_metrics:
            value = metric.of_model(split_logits, split_labels) if state.is_finite else None
            yield metric.name, split, value
        for name, reference in references.items():
            is_comparable = state.is_finite and reference is not None and reference.is_finite
            for metric in _pair_metrics(name):
                value = None
                if is_comparable:
                    value = outputs.pair_value(metric, reference, state, rows)
                yield metric.name, split, value
        if len(state.votes) and state.is_finite:
            for metric in vote_metrics:
                yield metric.name, split, metric.of_votes(state.votes[:, rows], split_labels)


def _pair_metrics(reference: str) -> list[Metric]:
    """The metrics of predictions that compare with a reference."""
    return [
        metric for metric in METRICS.values() if metric.of_pair and metric.reference == reference
    ]


def _floor_scores(oracle: MemberState, outputs: Outputs) -> Iterator[Score]:
    """The oracle compared with the oracles of other seeds, on average over them."""
    references = [
        state
        for state in oracle.fleet.states(oracle.position)
        if state.member != oracle.member and state.is_finite
    ]
    if not references:
        return
    points = outputs.points
    for split, rows in points.scored_rows.items():
        for metric in _pair_metrics(OTHER_SEED):
            values = [outputs.pair_value(metric, r, oracle, rows) for r in references]
            yield metric.name, split, None if None in values else np.mean(values)
    measures = _measures(oracle, points)
    for metric in _summary_metrics(OTHER_SEED):
        values = [metric.of_measures(_measures(r, points), measures) for r in references]
        yield metric.name, "forget", None if None in values else np.mean(values)
    weights = oracle.weights
    distances = [l2(weights, state.weights, oracle.fleet.weight_names) for state in references]
    yield "l2_reseeded", "weights", None if None in distances else np.mean(distances)


def _summary_scores(
    state: MemberState, oracle: MemberState | None, points: SplitPoints
) -> Iterator[Score]:
    """The metrics that are one number for several differences to the oracle."""
    is_comparable = state.is_finite and oracle is not None and oracle.is_finite
    for metric in _summary_metrics(ORACLE):
        value = None
        if is_comparable and "forget" in points.rows:
            value = metric.of_measures(_measures(oracle, points), _measures(state, points))
        yield metric.name, "forget", value


def _summary_metrics(reference: str) -> list[Metric]:
    """The metrics that are one number for several differences to a reference."""
    return [m for m in METRICS.values() if m.of_measures and m.reference == reference]


def _measures(state: MemberState, points: SplitPoints) -> dict[str, float | None]:
    """Accuracies by split, and the success of the attack by loss as `attack`."""
    measures = {
        split: accuracy(state.logits[rows], points.labels[rows])
        for split, rows in points.rows.items()
        if split in TOW_SPLITS
    }
    if "forget" in points.rows:
        measures["attack"] = _attack_value(METRICS["attack_auc"], state, points)
    return measures


def _attack_scores(
    state: MemberState, references: Mapping[str, MemberState | None], points: SplitPoints
) -> Iterator[Score]:
    """Attacks that tell deleted points from test points, which were never trained on.

    Then what their success is minus that of the same attacks on the references.
    """
    for metric in METRICS.values():
        if metric.of_attack:
            yield metric.name, "forget", _attack_value(metric, state, points)
        elif metric.difference_of and metric.reference in references:
            attack = METRICS[metric.difference_of]
            reference = references[metric.reference]
            value = _attack_value(attack, state, points)
            reference_value = reference and _attack_value(attack, reference, points)
            has_values = value is not None and reference_value is not None
            yield metric.name, "forget", value - reference_value if has_values else None


def _attack_value(metric: Metric, state: MemberState, points: SplitPoints) -> float | None:
    """The success of an attack; None for a model that has diverged, or without deleted points."""
    if not state.is_finite or "forget" not in points.rows:
        return None
    rows = points.rows["forget"]
    test_rows = points.rows["test"]
    return metric.of_attack(
        state.logits[rows], points.labels[rows], state.logits[test_rows], points.labels[test_rows]
    )


def _class_scores(state: MemberState, points: SplitPoints) -> Iterator[Score]:
    """How test points of the classes are predicted between which labels were exchanged."""
    if points.swapped_classes is None:
        return
    rows = points.rows["test"]
    for metric in METRICS.values():
        if metric.of_classes:
            value = None
            if state.is_finite:
                value = metric.of_classes(
                    state.logits[rows], points.labels[rows], points.swapped_classes
                )
            yield metric.name, "test", value


def _weight_scores(
    state: MemberState,
    oracle: MemberState | None,
    trained_weights: Mapping[str, np.ndarray],
) -> Iterator[Score]:
    """The distance to the weights of the oracle; relative to that of the trained model."""
    distance = _distance(state, oracle)
    trained_distance = None
    if distance is not None:
        trained_distance = l2(trained_weights, oracle.weights, state.fleet.weight_names)
    yield "l2", "weights", distance
    yield "l2_relative", "weights", relative(distance, trained_distance)


def _distance(state: MemberState, reference: MemberState | None) -> float | None:
    """The distance of weights; None where a model has diverged, or has other weights."""
    names = state.fleet.weight_names
    is_comparable = state.is_finite and reference is not None and reference.is_finite
    if not is_comparable or list(names) != list(reference.fleet.weight_names):
        return None
    return l2(state.weights, reference.weights, names)


def _total(records: Sequence[Mapping], cost: str) -> float | None:
    """A cost of all steps so far, added up as its row of the catalogue says."""
    values = [record.get(cost, 0) for record in records]
    over_steps = METRICS[cost].over_steps if cost in METRICS else "sum"
    if over_steps == "complete_sum" and not all(cost in record for record in records):
        return None
    if over_steps == "max":
        return max(values)
    return values[-1] if over_steps == "last" else sum(values)


def finite_number(value: float | None) -> float | None:
    """A float; None instead of a number that is not finite."""
    if value is None or not np.isfinite(value):
        return None
    return float(value)
