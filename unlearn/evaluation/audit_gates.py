"""The gates of an audit: what makes populations worthless, or calls for a second look.

They are those of cells, applied to the models that an audit compares. The audit of a method whose
models do nothing, or have lost what they knew, would be a number about something else.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from unlearn.evaluation import gates
from unlearn.evaluation.cell_gates import Violation
from unlearn.metrics.populations import Populations

MIN_REFUSED_SHARE = 0.5
"""The share of collapsed models from which on an audit is refused; below it is flagged."""


def violations(
    populations: Populations, seeds: Mapping[str, Sequence[int]], *, is_oracle: bool
) -> list[Violation]:
    """The gates that the models of an audit violate.

    Args:
        populations: the models; all are finite.
        seeds: the seeds of the models, by group.
        is_oracle: whether the audited models are oracles, half B.
    """
    return list(_violations(populations, seeds, is_oracle=is_oracle))


def refusal(findings: Sequence[Violation]) -> str:
    """Why an audit is refused, by its first refusal; empty if it is not."""
    reasons = [f"{finding.gate}: {finding.reason}" for finding in findings if finding.is_refusal]
    return reasons[0] if reasons else ""


def flags(findings: Sequence[Violation]) -> list[str]:
    """The names of the gates that were violated."""
    return list(dict.fromkeys(finding.gate for finding in findings))


def _violations(
    populations: Populations, seeds: Mapping[str, Sequence[int]], *, is_oracle: bool
) -> Iterator[Violation]:
    """The gates one by one: those of the oracles and originals, then those of the method."""
    for group in ("reference", *("unlearned",) * is_oracle):
        reason = gates.seed_collision(seeds[group], populations.logits[group])
        if reason:
            yield Violation("seed collision", reason, is_refusal=True)
    yield from _model_violations(populations)
    if populations.is_original:
        return
    if not is_oracle:
        yield from _noop_violations(populations)
    yield from _collapse_violations(populations)


def _model_violations(populations: Populations) -> Iterator[Violation]:
    """Whether the originals have learned something, and the oracles what they should have."""
    if not populations.size("originals"):
        return
    chance = 1 / populations.logits["originals"].shape[2]
    retain = _accuracy(populations, "originals", "retain")
    test = _accuracy(populations, "originals", "test")
    reason = gates.untrained_base(retain, test, chance, len(populations.rows["test"]))
    if reason:
        yield Violation("untrained base", reason, is_refusal=True)
    oracle = _accuracy(populations, "reference", "retain")
    if oracle is None or retain is None:
        return
    reason = gates.broken_oracle(oracle, retain, chance)
    weakness = reason or gates.oracle_quality(oracle, retain)
    if weakness:
        yield Violation("oracle quality", weakness, is_refusal=bool(reason))


def _noop_violations(populations: Populations) -> Iterator[Violation]:
    """Whether models predict what the originals do that they were unlearned from."""
    logits = populations.logits["unlearned"]
    originals = populations.logits["originals"][: len(logits)]
    if not len(logits) or logits.shape != originals.shape:
        return
    members = gates.no_op(logits, originals)
    if members:
        reason = f"{len(members)} of {len(logits)} models predict what the original does"
        yield Violation("no-op", reason, is_refusal=len(members) == len(logits))


def _collapse_violations(populations: Populations) -> Iterator[Violation]:
    """Whether the audited models have lost what they knew."""
    size = populations.size("unlearned")
    accuracies = _accuracies(populations, "unlearned", "retain")
    reasons = [
        gates.collapse(
            None if accuracies is None else float(accuracies[model]),
            populations.split_logits("unlearned", "test")[model],
        )
        for model in range(size)
    ]
    collapses = list(filter(None, reasons))
    if collapses:
        reason = f"{len(collapses)} of {size} models: {collapses[0]}"
        is_refusal = len(collapses) >= MIN_REFUSED_SHARE * size
        yield Violation("collapse", reason, is_refusal=is_refusal)


def _accuracies(populations: Populations, group: str, split: str) -> np.ndarray | None:
    """The accuracy of each model of a group on a split; None without points."""
    if split not in populations.rows:
        return None
    classes = populations.split_logits(group, split).argmax(axis=2)
    return (classes == populations.split_labels(split)).mean(axis=1)


def _accuracy(populations: Populations, group: str, split: str) -> float | None:
    """The mean accuracy of a group on a split; None without models or points."""
    accuracies = _accuracies(populations, group, split) if populations.size(group) else None
    return None if accuracies is None else float(accuracies.mean())
