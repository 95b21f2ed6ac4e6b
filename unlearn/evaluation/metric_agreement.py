"""Whether two metrics agree about methods: the order, and who is nearer than doing nothing."""

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from unlearn.evaluation import placement
from unlearn.evaluation.panels import panels
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.rank_correlation import RankCorrelation, mean_kendall_tau

BOOTSTRAP_SEED = 0
"""The seed of the intervals, so that equal tables have equal figures."""

GROUP_COLUMNS = ("dataset", "model", "request", "step")
"""The columns that rows share which are compared with the same oracle."""

Pair = tuple[str, str]
"""A metric and its split."""


class MetricAgreement(NamedTuple):
    """How far two metrics agree."""

    correlation: RankCorrelation
    cells: int
    """The cells in which both metrics say whether a method is nearer than doing nothing."""
    disagreements: int
    """Those of them in which the metrics say different things."""


def agreements(table: pd.DataFrame, figure: Mapping) -> dict[tuple[Pair, Pair], MetricAgreement]:
    """The agreement of every two metrics of a figure block, over its methods.

    The controls are not ranked. Every data set, model, request and value of `facet` has a ranking
    of its own; the coefficients are averaged.
    """
    distances, is_nearer = _distances(table, figure)
    pairs = list(dict.fromkeys(pair for _, _, pair in distances))
    groups = list(dict.fromkeys(group for group, _, _ in distances))
    lines = list(dict.fromkeys(line for _, line, _ in distances))
    matrices = {
        pair: np.array(
            [[distances.get((group, line, pair), np.nan) for line in lines] for group in groups]
        )
        for pair in pairs
    }
    result = {}
    for first, second in itertools.combinations(pairs, 2):
        correlation = mean_kendall_tau(matrices[first], matrices[second], BOOTSTRAP_SEED)
        verdicts = [
            (is_nearer[group, line, first], is_nearer[group, line, second])
            for group, line in itertools.product(groups, lines)
            if (group, line, first) in is_nearer and (group, line, second) in is_nearer
        ]
        disagreements = sum(one != other for one, other in verdicts)
        result[first, second] = MetricAgreement(correlation, len(verdicts), disagreements)
    return result


def _distances(table: pd.DataFrame, figure: Mapping) -> tuple[dict, dict]:
    """Distance to the oracle, and whether it is below that of doing nothing.

    Both are by group, line and pair of metric and split. The second lacks the cells in which the
    table cannot tell doing nothing from another retraining.
    """
    controls = _control_means(table)
    distances = {}
    is_nearer = {}
    for panel in panels(table, figure):
        group = tuple((k, v) for k, v in panel.place.items() if k not in ("metric", "split"))
        for row in panel.rows.to_dict("records"):
            if placement.is_control(row) or not row["n"] > 0:
                continue
            oracle = controls.get((*_key(row), "retrain"), row.get("floor", math.nan))
            nothing = controls.get((*_key(row), "original"), row.get("nothing", math.nan))
            key = (group, row["line"], (row["metric"], row["split"]))
            distances[key] = _distance(row["metric"], row["mean"], oracle)
            distance_of_nothing = _distance(row["metric"], nothing, oracle)
            is_told_apart = math.isfinite(row.get("normalised", 0.0))
            if is_told_apart and math.isfinite(distances[key] + distance_of_nothing):
                is_nearer[key] = distances[key] < distance_of_nothing
    return distances, is_nearer


def _control_means(table: pd.DataFrame) -> dict[tuple, float]:
    """The means of the controls, by the key of their rows and by method."""
    rows = table[table["method"].isin(placement.CONTROLS) & (table["n"] > 0)]
    return {(*_key(row), row["method"]): row["mean"] for row in rows.to_dict("records")}


def _key(row: Mapping) -> tuple:
    """What a row shares with its controls."""
    values = [row[column] for column in GROUP_COLUMNS]
    return (row["metric"], row["split"], placement.trainer(row), *values)


def _distance(metric: str, value: float, oracle: float) -> float:
    """How far a value is from the right one: the oracle's, or 0 if the metric compares with it.

    Metrics that have a best value are ordered by it.
    """
    row = METRICS[metric]
    if row.better in ("low", "high"):
        return value if row.better == "low" else -value
    return abs(value) if row.scope == "pair" else abs(value - oracle)
