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
from unlearn.metrics.audit_rows import AUDITS
from unlearn.metrics.comparison_rows import COMPARISONS
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
from unlearn.metrics.job_rows import (
    CERTIFICATES,
    COSTS,
    COUNTERS,
    FLAGS,
    NOISES,
    RELEARNING,
    SCORINGS,
    TUNINGS,
)
from unlearn.metrics.loss_attack import loss_attack_auc
from unlearn.metrics.metric import OTHER_SEED, SPLITS, TWIN, Metric, OfPair, row


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
_KL = replace(_DIVERGENCE, of_pair=_pair_function(kl))
_ACCURACY_GAP = replace(_GAP, of_pair=accuracy_gap)
_LOSS_GAP = replace(_GAP, unit="nats", of_pair=loss_gap)
_SCRATCH = {"reference": "scratch", "is_trainer_specific": True}
_TAUGHT = {"reference": "taught", "is_trainer_specific": True}
_TWIN = {"reference": TWIN, "is_trainer_specific": True}


# -- the table

_PREDICTIONS = (
    row(_MODEL, "accuracy", "Accuracy (%)", of_model=accuracy),
    row(_MODEL, "loss", "Cross-entropy (nats)", unit="nats", of_model=mean_loss),
    row(_KL, "kl", "KL(oracle || model) (nats)"),
    row(_ACCURACY_GAP, "accuracy_gap", "Accuracy - oracle's (points)"),
    row(_LOSS_GAP, "loss_gap", "Cross-entropy - oracle's (nats)"),
    row(
        _DIVERGENCE, "kl_reverse", "KL(model || oracle) (nats)", of_pair=_pair_function(reverse_kl)
    ),
    row(
        _DIVERGENCE,
        "js",
        "Jensen-Shannon (nats)",
        of_pair=_pair_function(jensen_shannon),
        maximum=math.log(2),
    ),
    row(_KL, "kl_scratch", "KL(scratch || model) (nats)", **_SCRATCH),
    row(_ACCURACY_GAP, "accuracy_gap_scratch", "Accuracy - scratch (points)", **_SCRATCH),
    row(_LOSS_GAP, "loss_gap_scratch", "Cross-entropy - scratch (nats)", **_SCRATCH),
    row(_KL, "kl_taught", "KL(oracle's student || model) (nats)", **_TAUGHT),
    row(_ACCURACY_GAP, "accuracy_gap_taught", "Accuracy - oracle's student (points)", **_TAUGHT),
    row(_LOSS_GAP, "loss_gap_taught", "Cross-entropy - oracle's student", **_TAUGHT),
    row(_KL, "kl_twin", "KL(certificate's reference || model) (nats)", **_TWIN),
    row(_ACCURACY_GAP, "accuracy_gap_twin", "Accuracy - certificate's reference (points)", **_TWIN),
    row(
        _ENSEMBLE,
        "vote_accuracy",
        "Accuracy of plain votes (%)",
        of_votes=vote_accuracy,
        short_name="accuracy of plain votes",
    ),
    row(
        _ENSEMBLE,
        "tie_fraction",
        "Tied votes (%)",
        of_votes=lambda votes, labels: tie_fraction(votes),
    ),
    row(
        _ENSEMBLE,
        "lone_accuracy",
        "Mean accuracy of constituents (%)",
        of_votes=mean_lone_accuracy,
        short_name="accuracy of the average constituent",
    ),
    row(
        _ENSEMBLE,
        "lone_accuracy_min",
        "Accuracy of the worst constituent (%)",
        of_votes=min_lone_accuracy,
    ),
    row(
        _ENSEMBLE,
        "lone_accuracy_max",
        "Accuracy of the best constituent (%)",
        of_votes=max_lone_accuracy,
    ),
    row(
        _FLOOR,
        "kl_reseeded",
        "KL(other seed's oracle || oracle) (nats)",
        of_pair=_pair_function(kl),
        floor_of="kl",
    ),
    row(
        _FLOOR,
        "js_reseeded",
        "Jensen-Shannon of oracles (nats)",
        of_pair=_pair_function(jensen_shannon),
        maximum=math.log(2),
        floor_of="js",
    ),
    row(
        _MODEL,
        "attack_auc",
        "AUC of the attack by loss",
        unit="ratio",
        splits=("forget",),
        of_attack=loss_attack_auc,
    ),
    row(
        _MODEL,
        "confusion",
        "Confusion of the swapped classes (%)",
        splits=("test",),
        of_classes=confusion,
    ),
)

_WEIGHTS = (
    row(_NORM, "l2", "L2 distance to the oracle"),
    row(_NORM, "l2_twin", "L2 distance to the certificate's reference", **_TWIN),
    row(_NORM, "l2_relative", "L2 distance / do nothing", unit="ratio"),
    row(
        _FLOOR,
        "l2_reseeded",
        "L2 distance of oracles",
        unit="norm",
        splits=("weights",),
        floor_of="l2",
    ),
)

_TABLE = (
    *(*_PREDICTIONS, *COMPARISONS, *_WEIGHTS, *COSTS, *COUNTERS, *CERTIFICATES, *FLAGS, *GATES),
    *(*NOISES, *SCORINGS, *TUNINGS, *RELEARNING, *AUDITS),
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
