"""From the artefacts of a cell to its scores: tidy rows of step, seed, metric, split, value.

Numpy only. The right value of every metric is the oracle's: the model retrained without the
points, from the same initial weights and in the same order (seed s is compared with seed s).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from unlearn.metrics.accuracy import accuracy, losses
from unlearn.metrics.distance import l2, relative
from unlearn.metrics.divergence import jensen_shannon, kl
from unlearn.metrics.ensemble import lone_accuracies, tie_fraction, vote_accuracy
from unlearn.metrics.loss_attack import attack_auc
from unlearn.requests.request import Step

CELL = ("dataset", "model", "method", "variant", "request", "sampler", "rate", "step", "points")
"""The columns that say what a score belongs to, beside seed, metric and split."""

_SPLITS = ("forget", "retain", "added", "test")
_PHASES = ("learn", "forget")

COSTS = (
    "wall_seconds",
    "cpu_seconds",
    "gradient_evaluations",
    "forward_evaluations",
    "flops",
    "optimizer_steps",
    "io_seconds",
    "peak_memory_bytes",
    "bytes_stored",
)
COUNTS = (
    "expected_gradient_evaluations",
    "shards_retrained",
    "stages_retrained",
    "exact_steps",
    "approximate_steps",
    "direct_steps",
    "fallbacks",
    "active_fraction",
    "uniform_fallbacks",
    "unconverged_solves",
    "largest_residual",
)
ENSEMBLE = (
    "vote_accuracy",
    "tie_fraction",
    "lone_accuracy",
    "lone_accuracy_min",
    "lone_accuracy_max",
)
GAPS = ("kl", "accuracy_gap", "loss_gap")
REFERENCES = ("scratch", "taught")
"""Names of the variants of themselves that methods may have their models compared with."""

REFERRED = tuple(f"{gap}_{reference}" for reference in REFERENCES for gap in GAPS)
SPECIAL = COUNTS + ENSEMBLE + REFERRED
"""The metrics that only the models of some trainers have; each trainer lists its own."""

FLOOR = ("kl_reseeded", "js_reseeded", "l2_reseeded")
"""How far the oracle is from oracles of other seeds: what chance alone does."""

OF_NOISE = ("converged", "error", "rounds", "wall_seconds", "gradient_evaluations")
NOISE = tuple(f"noise_{name}" for name in OF_NOISE)
"""What the noise on the images of a data set took."""

FLAGS = ("completed", "diverged", "noise_converged")
MOST = ("peak_memory_bytes", "largest_residual")
LAST = ("bytes_stored", "diverged", "active_fraction")
"""The costs that do not add up over the steps of a request."""

WHOLE = ("expected_gradient_evaluations",)
"""The costs that are known of some steps only, and then not of all together."""

OF_POINTS = (
    "accuracy",
    "loss",
    "kl",
    "kl_reverse",
    "js",
    "accuracy_gap",
    "loss_gap",
    *FLOOR[:2],
    *ENSEMBLE,
    *REFERRED,
)
"""The metrics of predictions for a set of points."""

SPEEDUPS = ("speedup", "speedup_seconds")
METRICS = {
    **dict.fromkeys(OF_POINTS, _SPLITS),
    **dict.fromkeys((*SPEEDUPS, "attack_auc"), ("forget",)),
    **dict.fromkeys(("l2", "l2_relative", FLOOR[2]), ("weights",)),
    **dict.fromkeys((*COSTS, *COUNTS, *FLAGS), _PHASES),
    **dict.fromkeys(NOISE, ("learn",)),
}
"""Every metric and its splits: sets of points, weights, or the phases learn and forget."""

TIMED = (
    "speedup_seconds",
    "noise_wall_seconds",
    "wall_seconds",
    "cpu_seconds",
    "io_seconds",
    "peak_memory_bytes",
)
"""The metrics that differ from run to run; all others are reproducible to the last bit."""

Row = tuple[int, int, str, str, float | None]


@dataclass(frozen=True)
class Points:
    """The points that outputs are about: `evaluated` training ids in order, then all test points.

    The `sample` of them was drawn whatever the request, so it stands for the retain set.
    """

    evaluated: np.ndarray
    sample: np.ndarray
    train_labels: np.ndarray
    test_labels: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The label of every point, in the order of the outputs."""
        return np.concatenate([self.train_labels[self.evaluated], self.test_labels])

    def rows(self, step: Step) -> dict[str, np.ndarray]:
        """Rows of the outputs by split; splits without points are left out."""
        retained = np.intersect1d(np.setdiff1d(step.retain_ids, step.added_ids), self.sample)
        ids = {"forget": step.forget_ids, "retain": retained, "added": step.added_ids}
        rows = {name: np.searchsorted(self.evaluated, its) for name, its in ids.items()}
        rows["test"] = len(self.evaluated) + np.arange(len(self.test_labels))
        return {name: its for name, its in rows.items() if len(its)}


@dataclass(frozen=True)
class Fleet:
    """What scoring needs of a fleet after a request."""

    logits: np.ndarray
    """K x T x P x C: models, steps, points as in `Points`, classes."""
    votes: np.ndarray
    """K x T x S x P: the class that each of S constituents predicts; S is 0 for a single model."""
    weights: Callable[[int, int], Mapping[str, np.ndarray]]
    """weights(k, t): the tensors of model k after step t, 0 <= t < T."""
    names: Sequence[str]
    """The tensors that an L2 distance compares."""
    costs: Sequence[Sequence[Mapping]]
    """K x T records of the timed call."""


def score(
    points: Points,
    steps: Sequence[Step],
    seeds: Sequence[int],
    model: Fleet | None,
    oracle: Fleet | None,
    original: Sequence[Mapping[str, np.ndarray]],
    learned: Sequence[Mapping],
    references: Mapping[str, Fleet | None] = MappingProxyType({}),
) -> Iterator[Row]:
    """Rows of one cell.

    `model` is None for a cell that failed: its only rows say so. Without an oracle the metrics
    that compare with it are empty. Where it is the oracle itself, it is compared with those of
    the other seeds of the fleet, too. `original` and `learned` are the weights and the learning
    costs of the trained fleet. `references`: other fleets that predictions are compared with.
    """
    labels = points.labels
    for t, step in enumerate(steps):
        splits = points.rows(step)
        for k, seed in enumerate(seeds):
            rows = _rows(labels, splits, k, t, model, oracle, original, learned, references)
            for metric, split, value in rows:
                yield step.index, seed, metric, split, _number(value)


def _rows(labels, splits, k, t, model, oracle, original, learned, references):
    if k < len(learned):
        yield from ((c, "learn", v) for c, v in learned[k].items())
    yield "completed", "learn", k < len(learned)
    yield "completed", "forget", model is not None
    if model is None:
        return
    cost = model.costs[k][t]
    spent = {c: _total(model.costs[k][: t + 1], c) for c in cost}
    yield from ((c, "forget", value) for c, value in spent.items())
    if oracle is not None:
        pairs = zip(SPEEDUPS, ("gradient_evaluations", "wall_seconds"), strict=True)
        for speedup, c in pairs:
            retraining = _total(oracle.costs[k][: t + 1], c)
            yield speedup, "forget", retraining / spent[c] if spent[c] else None
    finite = not cost["diverged"]
    compared = {"": oracle, **{f"_{name}": fleet for name, fleet in references.items()}}
    compared = {n: f if finite and _sound(f, k, t) else None for n, f in compared.items()}
    for split, ids in splits.items():
        own, its = model.logits[k, t][ids], labels[ids]
        yield "accuracy", split, accuracy(own, its) if finite else None
        yield "loss", split, losses(own, its).mean() if finite else None
        for suffix, other in compared.items():
            yield from _gaps(own, other and other.logits[k, t][ids], its, split, suffix)
        if model.votes.shape[2] and finite:
            yield from _ensemble(model.votes[k, t][:, ids], its, split)
    if model is oracle and finite:
        yield from _floor(oracle, k, t, splits)
    yield "attack_auc", "forget", _attack(model.logits[k, t], labels, splits) if finite else None
    paired = compared[""] is not None
    distance = reference = None
    if paired and list(model.names) == list(oracle.names):
        target = oracle.weights(k, t)
        distance = l2(model.weights(k, t), target, model.names)
        reference = l2(original[k], target, model.names)
    yield "l2", "weights", distance
    yield "l2_relative", "weights", relative(distance, reference)


def _sound(fleet: Fleet | None, k: int, t: int) -> bool:
    return fleet is not None and not fleet.costs[k][t]["diverged"]


def _gaps(own, other, labels, split, suffix):
    """How far predictions are from another model's; empty where there is none."""
    names = GAPS if suffix else (*GAPS, "kl_reverse", "js")
    found = dict.fromkeys(names)
    if other is not None:
        found |= {
            "kl": kl(other, own),
            "accuracy_gap": accuracy(own, labels) - accuracy(other, labels),
            "loss_gap": losses(own, labels).mean() - losses(other, labels).mean(),
        }
        if not suffix:
            found |= {"kl_reverse": kl(own, other), "js": jensen_shannon(own, other)}
    yield from ((f"{metric}{suffix}", split, value) for metric, value in found.items())


def _floor(oracle, k, t, splits):
    """The oracle compared with those of the other seeds of its fleet, on average."""
    others = [o for o in range(len(oracle.logits)) if o != k and _sound(oracle, o, t)]
    if not others:
        return
    for split, ids in splits.items():
        own, its = oracle.logits[k, t][ids], [oracle.logits[o, t][ids] for o in others]
        yield "kl_reseeded", split, np.mean([kl(other, own) for other in its])
        yield "js_reseeded", split, np.mean([jensen_shannon(other, own) for other in its])
    weights = oracle.weights(k, t)
    distances = [l2(weights, oracle.weights(o, t), oracle.names) for o in others]
    yield "l2_reseeded", "weights", None if None in distances else np.mean(distances)


def _attack(logits, labels, splits):
    """The attack on the deleted points, with the test points as those never trained on."""
    if "forget" not in splits:
        return None
    gone, test = splits["forget"], splits["test"]
    of_gone, of_test = (losses(logits[ids], labels[ids]) for ids in (gone, test))
    return attack_auc(of_gone, labels[gone], of_test, labels[test])


def _ensemble(votes, labels, split):
    lone = lone_accuracies(votes, labels)
    yield "vote_accuracy", split, vote_accuracy(votes, labels)
    yield "tie_fraction", split, tie_fraction(votes)
    yield "lone_accuracy", split, lone.mean() if lone.size else None
    yield "lone_accuracy_min", split, lone.min(initial=1) if lone.size else None
    yield "lone_accuracy_max", split, lone.max(initial=0) if lone.size else None


def _total(costs: Sequence[Mapping], cost: str) -> float | None:
    """The cost of all steps so far; of MOST the most, of LAST the last."""
    if cost in WHOLE and not all(cost in step for step in costs):
        return None
    values = [step.get(cost, 0) for step in costs]
    if cost in MOST:
        return max(values)
    return values[-1] if cost in LAST else sum(values)


def _number(value) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return float(value)
