"""The scores of a cell behind its gates: a cell that is refused has flags alone."""

from collections.abc import Iterator, Mapping, Sequence

from unlearn.evaluation import cell_gates, certificate_gate, gates
from unlearn.evaluation.cell_gates import Violation
from unlearn.evaluation.fleets import Comparison, EvaluatedPoints
from unlearn.evaluation.score import Row, finite_number, raw_score
from unlearn.metrics.gate_rows import METRICS_BY_GATE
from unlearn.requests.request import Step

COMPLETION = "completed"
"""The metric that a cell without scores keeps: whether its method ran."""

Members = Sequence[object]
"""For each member of a fleet its seed and a digest of its training ids."""


def gated_score(
    points: EvaluatedPoints,
    steps: Sequence[Step],
    seeds: Sequence[int],
    fleets: Comparison,
    members: Mapping[str, Members],
) -> tuple[list[Row], list[Violation]]:
    """The rows of a cell, and the gates that it violates, each once.

    Args:
        points: the points that outputs are about.
        steps: the steps of the request.
        seeds: the seeds of the members.
        fleets: the fleets of the cell.
        members: those of the `trained` fleet and of the `oracle`, where these exist.

    Returns:
        Rows as of `score`, with a row for each gate and step and member. After a refusal they are
        whether the method ran, that it is refused, and the gates.
    """
    rows = list(raw_score(points, steps, seeds, fleets))
    by_gate: dict[tuple[str, bool], Violation] = {}
    for finding in _findings(points, steps, seeds, fleets, members):
        by_gate.setdefault((finding.gate, finding.is_refusal), finding)
    for step in steps:
        sizes = {split: len(r) for split, r in points.split(step).rows.items()}
        step_rows = [row[2:] for row in rows if row[0] == step.index]
        for finding in cell_gates.value_findings(step_rows, sizes):
            by_gate.setdefault((finding.gate, finding.is_refusal), finding)
    results = list(by_gate.values())
    is_refused = any(finding.is_refusal for finding in results)
    if is_refused:
        rows = [row for row in rows if row[2] == COMPLETION]
    flags = ["refused"] * is_refused
    flags += dict.fromkeys(METRICS_BY_GATE[finding.gate] for finding in results)
    rows = [(*row[:-1], finite_number(row[-1])) for row in rows]
    keys = [(step.index, seed) for step in steps for seed in seeds]
    rows += [(step, seed, flag, "forget", 1.0) for step, seed in keys for flag in flags]
    return rows, results


def _findings(
    points: EvaluatedPoints,
    steps: Sequence[Step],
    seeds: Sequence[int],
    fleets: Comparison,
    members: Mapping[str, Members],
) -> Iterator[Violation]:
    """The gates that the fleets of a cell violate after any step; none of a cell that failed."""
    if fleets.unlearned is None:
        return
    if "oracle" in members:
        reason = gates.contaminated_oracle(members["trained"], members["oracle"])
        if reason:
            yield Violation("contaminated oracle", reason, is_refusal=True)
    if fleets.original is not None:
        reason = gates.seed_collision(seeds, fleets.original.logits[:, 0])
        if reason:
            yield Violation("seed collision", reason, is_refusal=True)
    reason = certificate_gate.violation(
        fleets.unlearned.claims, steps, seeds, fleets.promised_level
    )
    if reason:
        yield Violation("certificate", reason, is_refusal=True)
    reason = gates.twins(points.twins)
    if reason:
        yield Violation("twin", reason, is_refusal=False)
    for position, step in enumerate(steps):
        changes_points = bool(len(step.forget_ids) + len(step.added_ids))
        split_points = points.split(step)
        yield from cell_gates.findings(
            fleets, split_points, position, changes_points=changes_points
        )
