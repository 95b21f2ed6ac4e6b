"""What every metric is: the one table of the project, in the order of the rows of a score file.

To add a metric of predictions, write a numpy function in `unlearn.metrics` and add a row that names
it: `of_model(logits, labels)` or `of_pair(reference_logits, logits, labels)`. A counter of a
trainer or method needs a row alone. An installed package adds a row by an entry point: group
`unlearn.metrics`, name of the metric, value `my_package.confidence:CONFIDENCE`.
"""

import importlib.metadata
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from unlearn.metrics.accuracy import accuracy, accuracy_gap, loss_gap, mean_loss
from unlearn.metrics.audit_catalogue import AUDITS
from unlearn.metrics.comparisons import COMPARISONS
from unlearn.metrics.confusion import confusion
from unlearn.metrics.divergence import jensen_shannon, kl, reverse_kl
from unlearn.metrics.ensemble import (
    max_lone_accuracy,
    mean_lone_accuracy,
    min_lone_accuracy,
    tie_fraction,
    vote_accuracy,
)
from unlearn.metrics.gate_rows import GATES
from unlearn.metrics.loss_attack import loss_attack_auc
from unlearn.metrics.metric import OTHER_SEED, PHASES, SPLITS, Metric, OfPair


def _pair_function(divergence: Callable[[np.ndarray, np.ndarray], float | None]) -> OfPair:
    """A divergence of (reference_logits, logits) as a function that gets the labels as well."""

    def of_pair(
        reference_logits: np.ndarray, logits: np.ndarray, labels: np.ndarray
    ) -> float | None:
        """The divergence; `labels` are not used."""
        return divergence(reference_logits, logits)

    return of_pair


# -- families: what most of their rows share

_MODEL = Metric(name="", label="", unit="fraction", splits=SPLITS, better="oracle", scope="model")
_ENSEMBLE = replace(_MODEL, is_trainer_specific=True)
_DIVERGENCE = replace(_MODEL, unit="nats", better="low", scope="pair", is_distance=True)
_GAP = replace(_MODEL, scope="pair", is_signed=True)
_FLOOR = replace(_DIVERGENCE, better=None, is_distance=False, reference=OTHER_SEED)
_NORM = replace(_DIVERGENCE, unit="norm", splits=("weights",))
_SPEEDUP = replace(
    _MODEL,
    unit="ratio",
    splits=("forget",),
    better="high",
    scope="pair",
    is_drawn_for_original=False,
)
_COST = replace(_MODEL, unit="count", splits=PHASES, better="low", is_frontier_cost=True)
_WORK = replace(_COST, is_drawn_for_original=False)
_SECONDS = replace(_WORK, unit="seconds", is_clocked=True)
_BYTES = replace(_COST, unit="bytes")
_COUNTER = replace(_COST, is_trainer_specific=True, is_frontier_cost=False)
_FACT = replace(_COUNTER, better=None)
_FLAG = replace(_COST, unit="flag", is_frontier_cost=False)
_NOISE = replace(_COST, splits=("learn",), better=None, is_frontier_cost=False)
_KL = replace(_DIVERGENCE, of_pair=_pair_function(kl))
_ACCURACY_GAP = replace(_GAP, of_pair=accuracy_gap)
_LOSS_GAP = replace(_GAP, unit="nats", of_pair=loss_gap)
_RELEARNED = replace(_MODEL, splits=("forget", "test"), rule="relearn", is_curve=True)
_SCRATCH = {"reference": "scratch", "is_trainer_specific": True}
_TAUGHT = {"reference": "taught", "is_trainer_specific": True}


def _row(family: Metric, name: str, label: str, **columns: object) -> Metric:
    """A member of a family, with the columns in which it differs."""
    return replace(family, name=name, label=label, **columns)


# -- the table

_PREDICTIONS = (
    _row(_MODEL, "accuracy", "Accuracy (%)", of_model=accuracy),
    _row(_MODEL, "loss", "Cross-entropy (nats)", unit="nats", of_model=mean_loss),
    _row(_KL, "kl", "KL(oracle || model) (nats)"),
    _row(_ACCURACY_GAP, "accuracy_gap", "Accuracy - oracle's (points)"),
    _row(_LOSS_GAP, "loss_gap", "Cross-entropy - oracle's (nats)"),
    _row(
        _DIVERGENCE, "kl_reverse", "KL(model || oracle) (nats)", of_pair=_pair_function(reverse_kl)
    ),
    _row(
        _DIVERGENCE,
        "js",
        "Jensen-Shannon (nats)",
        of_pair=_pair_function(jensen_shannon),
        maximum=math.log(2),
    ),
    _row(_KL, "kl_scratch", "KL(scratch || model) (nats)", **_SCRATCH),
    _row(_ACCURACY_GAP, "accuracy_gap_scratch", "Accuracy - scratch (points)", **_SCRATCH),
    _row(_LOSS_GAP, "loss_gap_scratch", "Cross-entropy - scratch (nats)", **_SCRATCH),
    _row(_KL, "kl_taught", "KL(oracle's student || model) (nats)", **_TAUGHT),
    _row(_ACCURACY_GAP, "accuracy_gap_taught", "Accuracy - oracle's student (points)", **_TAUGHT),
    _row(_LOSS_GAP, "loss_gap_taught", "Cross-entropy - oracle's student", **_TAUGHT),
    _row(
        _ENSEMBLE,
        "vote_accuracy",
        "Accuracy of plain votes (%)",
        of_votes=vote_accuracy,
        short_name="accuracy of plain votes",
    ),
    _row(
        _ENSEMBLE,
        "tie_fraction",
        "Tied votes (%)",
        of_votes=lambda votes, labels: tie_fraction(votes),
    ),
    _row(
        _ENSEMBLE,
        "lone_accuracy",
        "Mean accuracy of constituents (%)",
        of_votes=mean_lone_accuracy,
        short_name="accuracy of the average constituent",
    ),
    _row(
        _ENSEMBLE,
        "lone_accuracy_min",
        "Accuracy of the worst constituent (%)",
        of_votes=min_lone_accuracy,
    ),
    _row(
        _ENSEMBLE,
        "lone_accuracy_max",
        "Accuracy of the best constituent (%)",
        of_votes=max_lone_accuracy,
    ),
    _row(
        _FLOOR,
        "kl_reseeded",
        "KL(other seed's oracle || oracle) (nats)",
        of_pair=_pair_function(kl),
        floor_of="kl",
    ),
    _row(
        _FLOOR,
        "js_reseeded",
        "Jensen-Shannon of oracles (nats)",
        of_pair=_pair_function(jensen_shannon),
        maximum=math.log(2),
        floor_of="js",
    ),
    _row(
        _MODEL,
        "attack_auc",
        "AUC of the attack by loss",
        unit="ratio",
        splits=("forget",),
        of_attack=loss_attack_auc,
    ),
    _row(
        _MODEL,
        "confusion",
        "Confusion of the swapped classes (%)",
        splits=("test",),
        of_classes=confusion,
    ),
)

_WEIGHTS = (
    _row(_NORM, "l2", "L2 distance to the oracle"),
    _row(_NORM, "l2_relative", "L2 distance / do nothing", unit="ratio"),
    _row(
        _FLOOR,
        "l2_reseeded",
        "L2 distance of oracles",
        unit="norm",
        splits=("weights",),
        floor_of="l2",
    ),
)

_COSTS = (
    _row(_SECONDS, "wall_seconds", "Seconds"),
    _row(_SECONDS, "cpu_seconds", "CPU seconds"),
    _row(_WORK, "gradient_evaluations", "Gradient evaluations"),
    _row(_WORK, "forward_evaluations", "Forward evaluations"),
    _row(_WORK, "flops", "FLOPs"),
    _row(_WORK, "optimizer_steps", "Optimiser steps"),
    _row(_SECONDS, "io_seconds", "Seconds of reading and writing"),
    _row(_BYTES, "peak_memory_bytes", "Peak memory (bytes)", over_steps="max", is_clocked=True),
    _row(_BYTES, "bytes_stored", "Bytes stored", over_steps="last"),
    _row(
        _SPEEDUP,
        "speedup",
        "Speed-up (gradient evaluations)",
        speedup_of="gradient_evaluations",
        is_of_one_size=True,
    ),
    _row(
        _SPEEDUP,
        "speedup_seconds",
        "Speed-up (seconds)",
        speedup_of="wall_seconds",
        is_clocked=True,
    ),
)

_COUNTERS = (
    _row(
        _COUNTER,
        "expected_gradient_evaluations",
        "Expected gradient evaluations",
        over_steps="complete_sum",
    ),
    _row(_COUNTER, "shards_retrained", "Shards retrained"),
    _row(_COUNTER, "stages_retrained", "Stages retrained"),
    _row(_COUNTER, "exact_steps", "Exact steps"),
    _row(_FACT, "approximate_steps", "Approximate steps"),
    _row(_FACT, "direct_steps", "Direct steps"),
    _row(_COUNTER, "fallbacks", "Fall-backs to an exact step"),
    _row(
        _FACT,
        "active_fraction",
        "Deleted points below the bound (%)",
        unit="fraction",
        over_steps="last",
    ),
    _row(_COUNTER, "uniform_fallbacks", "Fall-backs to uniform weights"),
    _row(_COUNTER, "unconverged_solves", "Unconverged solves"),
    _row(_COUNTER, "largest_residual", "Largest relative residual", unit="ratio", over_steps="max"),
)

_FLAGS = (
    _row(_FLAG, "completed", "Completed", better="high"),
    _row(_FLAG, "diverged", "Diverged", over_steps="last"),
    _row(_FLAG, "refused", "Refused"),
)

_NOISES = (
    _row(
        _NOISE,
        "noise_converged",
        "Searches that converged",
        unit="flag",
        better="high",
        noise_field="converged",
    ),
    _row(_NOISE, "noise_error", "Mistakes left on noisy images", unit="ratio", noise_field="error"),
    _row(_NOISE, "noise_rounds", "Rounds of the search for noise", noise_field="rounds"),
    _row(
        _NOISE,
        "noise_wall_seconds",
        "Seconds of making noise",
        unit="seconds",
        noise_field="wall_seconds",
        is_clocked=True,
    ),
    _row(
        _NOISE,
        "noise_gradient_evaluations",
        "Gradient evaluations for noise",
        noise_field="gradient_evaluations",
    ),
)

_RELEARNING = (
    _row(_RELEARNED, "relearned_accuracy", "Accuracy after relearning (%)"),
    _row(_RELEARNED, "relearned_loss", "Cross-entropy after relearning (nats)", unit="nats"),
    _row(
        _RELEARNED,
        "relearning_steps",
        "Steps until relearnt",
        unit="count",
        splits=("forget",),
        is_curve=False,
    ),
)

_SCORINGS = (
    _row(_NOISE, "scoring_models", "Models that scored points", scoring_field="models"),
    _row(
        _NOISE,
        "scoring_gradient_evaluations",
        "Gradient evaluations for scores of points",
        scoring_field="gradient_evaluations",
    ),
    _row(
        _NOISE,
        "scoring_wall_seconds",
        "Seconds of scoring points",
        unit="seconds",
        scoring_field="wall_seconds",
        is_clocked=True,
    ),
)

_TABLE = (
    *(*_PREDICTIONS, *COMPARISONS, *_WEIGHTS, *_COSTS, *_COUNTERS, *_FLAGS, *GATES, *_NOISES),
    *(*_SCORINGS, *_RELEARNING, *AUDITS),
)

ENTRY_POINTS = tuple(importlib.metadata.entry_points(group="unlearn.metrics"))
"""The rows that installed packages add."""


def _installed_rows() -> list[Metric]:
    """The rows of installed packages; TypeError for an entry point that is none."""
    rows = []
    for point in ENTRY_POINTS:
        row = point.load()
        if not isinstance(row, Metric) or row.name != point.name:
            raise TypeError(f"entry point {point.name} of metrics: {point.value} is no such Metric")
        rows.append(row)
    return rows


METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (*_TABLE, *_installed_rows())}
)
"""Every metric by its name."""


def floor(metric: str) -> Metric | None:
    """The metric that measures `metric` between oracles of different seeds, if there is one."""
    return next((row for row in METRICS.values() if row.floor_of == metric), None)
