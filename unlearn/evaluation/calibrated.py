"""Logits whose confidence is that of the validation points, so that divergences leave it out."""

import numpy as np

from unlearn.evaluation.fleets import MemberState, SplitPoints
from unlearn.metrics.calibration import temperature
from unlearn.metrics.metric import Metric


class Outputs:
    """The logits of models that a metric gets: as they are, or calibrated.

    Temperatures are kept: a reference is compared with many models.
    """

    def __init__(self, points: SplitPoints):
        self.points = points
        self._temperatures: dict[tuple[int, int, int], float] = {}

    def logits(self, metric: Metric, state: MemberState, rows: np.ndarray) -> np.ndarray | None:
        """The logits of some points for a metric; None where it needs validation points.

        Args:
            metric: Says whether logits are calibrated.
            state: The model.
            rows: The points.
        """
        if not metric.is_calibrated:
            return state.logits[rows]
        if "validation" not in self.points.rows:
            return None
        return state.logits[rows] / self._temperature(state)

    def pair_value(
        self, metric: Metric, reference: MemberState, state: MemberState, rows: np.ndarray
    ) -> float | None:
        """The value of a metric of a pair of models on some points.

        Args:
            metric: A metric with `of_pair`.
            reference: The model that is compared with.
            state: The model.
            rows: The points.
        """
        logits = [self.logits(metric, model, rows) for model in (reference, state)]
        if logits[0] is None or logits[1] is None:
            return None
        return metric.of_pair(*logits, self.points.labels[rows])

    def _temperature(self, state: MemberState) -> float:
        key = (id(state.fleet), state.member, state.position)
        if key not in self._temperatures:
            rows = self.points.rows["validation"]
            self._temperatures[key] = temperature(state.logits[rows], self.points.labels[rows])
        return self._temperatures[key]
