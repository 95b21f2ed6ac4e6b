"""From the artefacts of a cell to its scores: tidy rows of step, seed, metric, split, value.

Numpy only. The right value of every metric is the oracle's: the model retrained without the
points, from the same initial weights and in the same order (seed s is compared with seed s).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unlearn.metrics.accuracy import accuracy
from unlearn.metrics.distance import l2, relative
from unlearn.metrics.divergence import jensen_shannon, kl
from unlearn.requests import Step

CELL = ("dataset", "model", "method", "variant", "request", "sampler", "rate", "step")
"""The columns that say what a score belongs to, beside seed, metric and split."""

_SPLITS = ("forget", "retain", "added", "test")
_PHASES = ("learn", "forget")

COSTS = (
    "wall_seconds",
    "cpu_seconds",
    "gradient_evaluations",
    "forward_evaluations",
    "flops",
    "peak_memory_bytes",
    "bytes_stored",
)
FLAGS = ("completed", "diverged")
METRICS = {
    **dict.fromkeys(("accuracy", "kl", "kl_reverse", "js"), _SPLITS),
    **dict.fromkeys(("l2", "l2_relative"), ("weights",)),
    **dict.fromkeys((*COSTS, *FLAGS), _PHASES),
}
"""Every metric and its splits: sets of points, weights, or the phases learn and forget."""

TIMED = ("wall_seconds", "cpu_seconds", "peak_memory_bytes")
"""The metrics that differ from run to run; all others are reproducible to the last bit."""

Row = tuple[int, int, str, str, float | None]


@dataclass(frozen=True)
class Fleet:
    """What scoring needs of a fleet after a request."""

    logits: np.ndarray
    """K x T x N x C: models, steps, training points followed by test points, classes."""
    weights: Callable[[int, int], Mapping[str, np.ndarray]]
    """weights(k, t): the tensors of model k after step t, 0 <= t < T."""
    names: Sequence[str]
    """The tensors that an L2 distance compares."""
    costs: Sequence[Sequence[Mapping]]
    """K x T records of the timed call."""


def score(
    labels: np.ndarray,
    steps: Sequence[Step],
    seeds: Sequence[int],
    model: Fleet | None,
    oracle: Fleet | None,
    original: Sequence[Mapping[str, np.ndarray]],
    learned: Sequence[Mapping],
) -> Iterator[Row]:
    """Rows of one cell.

    `labels`: of training points, then test points. `model` is None for a cell that failed: its
    only rows say so. Without an oracle the metrics that compare with it are empty. `original`
    and `learned` are the weights and the learning costs of the trained fleet.
    """
    for t, step in enumerate(steps):
        splits = _points(step, len(labels))
        for k, seed in enumerate(seeds):
            for metric, split, value in _rows(
                labels, splits, k, t, model, oracle, original, learned
            ):
                yield step.index, seed, metric, split, _number(value)


def _rows(labels, splits, k, t, model, oracle, original, learned):
    if k < len(learned):
        yield from ((c, "learn", learned[k][c]) for c in (*COSTS, "diverged"))
    yield "completed", "learn", k < len(learned)
    yield "completed", "forget", model is not None
    if model is None:
        return
    cost = model.costs[k][t]
    yield from ((c, "forget", _total(model.costs[k][: t + 1], c)) for c in COSTS)
    yield "diverged", "forget", cost["diverged"]
    finite = not cost["diverged"]
    paired = finite and oracle is not None and not oracle.costs[k][t]["diverged"]
    for split, ids in splits.items():
        own = model.logits[k, t][ids]
        yield "accuracy", split, accuracy(own, labels[ids]) if finite else None
        right = oracle.logits[k, t][ids] if paired else None
        yield "kl", split, kl(right, own) if paired else None
        yield "kl_reverse", split, kl(own, right) if paired else None
        yield "js", split, jensen_shannon(own, right) if paired else None
    distance = reference = None
    if paired and list(model.names) == list(oracle.names):
        target = oracle.weights(k, t)
        distance = l2(model.weights(k, t), target, model.names)
        reference = l2(original[k], target, model.names)
    yield "l2", "weights", distance
    yield "l2_relative", "weights", relative(distance, reference)


def _total(costs: Sequence[Mapping], cost: str) -> float:
    """The cost of all steps so far; of memory and storage the most and the last."""
    values = [step[cost] for step in costs]
    if cost == "peak_memory_bytes":
        return max(values)
    return values[-1] if cost == "bytes_stored" else sum(values)


def _points(step: Step, total: int) -> dict[str, np.ndarray]:
    """Rows of logits by split; splits without points are left out."""
    retained = np.setdiff1d(step.retain, step.added)
    test = np.arange(step.points, total)
    splits = {"forget": step.forget, "retain": retained, "added": step.added, "test": test}
    return {name: ids for name, ids in splits.items() if len(ids)}


def _number(value) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return float(value)
