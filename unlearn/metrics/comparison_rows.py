"""Rows of the catalogue that compare a model with its oracle, with doing nothing, or by one number.

A `gap` is a value minus the oracle's, a `change` a value minus that of doing nothing, both of the
same seed. A metric that ends in `reseeded` is a floor: the same between oracles of other seeds.
"""

import math
from dataclasses import replace

from unlearn.metrics.accuracy import accuracy_gap, loss_gap
from unlearn.metrics.agreement import activation_distance, activation_rms, agreement
from unlearn.metrics.average_gap import average_gap, tow
from unlearn.metrics.divergence import kl
from unlearn.metrics.metric import ORIGINAL, OTHER_SEED, SPLITS, Metric

_PAIR = Metric(name="", label="", unit="fraction", splits=SPLITS, scope="pair")
_CHANGE = replace(_PAIR, is_signed=True, reference=ORIGINAL)
_ATTACK = replace(
    _PAIR, unit="ratio", splits=("forget",), is_signed=True, difference_of="attack_auc"
)
_AGREEMENT = replace(
    _PAIR,
    better="high",
    of_pair=lambda reference, logits, labels: agreement(reference, logits),
)
_ACTIVATION = replace(
    _PAIR,
    unit="ratio",
    better="low",
    is_distance=True,
    maximum=math.sqrt(2),
    of_pair=lambda reference, logits, labels: activation_distance(reference, logits),
)
_CALIBRATED_KL = replace(
    _PAIR,
    unit="nats",
    better="low",
    is_distance=True,
    is_calibrated=True,
    of_pair=lambda reference, logits, labels: kl(reference, logits),
)
_AVERAGE_GAP = replace(
    _PAIR, splits=("forget",), better="low", is_distance=True, of_measures=average_gap
)
_TOW = replace(_PAIR, unit="ratio", splits=("forget",), better="high", maximum=1.0, of_measures=tow)


def _floor(metric: Metric, label: str) -> Metric:
    """The floor of a metric: its values between oracles of different seeds."""
    return replace(
        metric,
        name=f"{metric.name}_reseeded",
        label=label,
        better=None,
        is_distance=False,
        reference=OTHER_SEED,
        floor_of=metric.name,
    )


_AGREEMENT_ROW = replace(_AGREEMENT, name="agreement", label="Agreement with the oracle (%)")
_ACTIVATION_ROW = replace(
    _ACTIVATION, name="activation_distance", label="Distance of probabilities"
)
_ACTIVATION_RMS_ROW = replace(
    _ACTIVATION,
    name="activation_rms",
    label="Distance of probabilities, root mean square",
    of_pair=lambda reference, logits, labels: activation_rms(reference, logits),
)
_CALIBRATED_KL_ROW = replace(
    _CALIBRATED_KL, name="kl_calibrated", label="KL(oracle || model), calibrated (nats)"
)
_GAP_ROW = replace(_AVERAGE_GAP, name="gap", label="Average gap to the oracle (points)")
_TOW_ROW = replace(_TOW, name="tow", label="ToW")

COMPARISONS = (
    replace(
        _CHANGE,
        name="accuracy_change",
        label="Accuracy - original's (points)",
        of_pair=accuracy_gap,
    ),
    replace(
        _CHANGE,
        name="loss_change",
        label="Cross-entropy - original's (nats)",
        unit="nats",
        of_pair=loss_gap,
    ),
    replace(_ATTACK, name="attack_auc_gap", label="AUC of the attack - oracle's"),
    replace(
        _ATTACK,
        name="attack_auc_change",
        label="AUC of the attack - original's",
        reference=ORIGINAL,
    ),
    _AGREEMENT_ROW,
    _floor(_AGREEMENT_ROW, "Agreement of oracles (%)"),
    _ACTIVATION_ROW,
    _floor(_ACTIVATION_ROW, "Distance of oracles' probabilities"),
    _ACTIVATION_RMS_ROW,
    _floor(_ACTIVATION_RMS_ROW, "Distance of oracles' probabilities, root mean square"),
    _CALIBRATED_KL_ROW,
    _floor(_CALIBRATED_KL_ROW, "KL of oracles, calibrated (nats)"),
    _GAP_ROW,
    _floor(_GAP_ROW, "Average gap of oracles (points)"),
    _TOW_ROW,
    _floor(_TOW_ROW, "ToW of oracles"),
)
"""The rows."""
