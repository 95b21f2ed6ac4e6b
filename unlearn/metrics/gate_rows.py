"""Rows of the catalogue for what the gates of a score have found: 1 where one was violated."""

from dataclasses import replace

from unlearn.metrics.metric import Metric

_GATE = Metric(name="", label="", unit="flag", splits=("forget",), better="low")

GATES = tuple(
    replace(
        _GATE,
        name=f"gate_{name.replace(' ', '_').replace('-', '_')}",
        label=name.capitalize(),
        short_name=name,
    )
    for name in (
        "untrained base",
        "no-op",
        "not finite",
        "contaminated oracle",
        "oracle quality",
        "out of range",
        "seed collision",
        "over-unlearning",
        "collapse",
        "twin",
        "certificate",
    )
)
"""The rows; the label is the name of the gate with a capital."""

METRICS_BY_GATE = {metric.title: metric.name for metric in GATES}
"""The metric of each gate, by the gate's name."""
