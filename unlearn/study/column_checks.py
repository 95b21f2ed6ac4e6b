"""What the columns of a figure must be: those of its axes, colours, panels and normalised values.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

from collections.abc import Mapping

from unlearn.core import registry
from unlearn.metrics.catalogue import METRICS
from unlearn.study import messages
from unlearn.study.messages import InvalidError


def check_columns(block: Mapping, columns: set[str]) -> None:
    """Check the columns, or the metric, that the axes, colours and panels show."""
    keys = ["x", "colour", "facet"]
    kind = registry.find("figures", block["kind"])
    if kind.x_is_metric:
        _check_cost(block)
        keys.remove("x")
    if kind.y_is_distance:
        _check_distances(block)
    if kind.compares_metrics:
        _check_comparison(block)
        keys.remove("x")
    if kind.has_selections:
        keys.remove("x")
    _check_normalised(block, kind.has_normalised_axis)
    for key in keys:
        allowed = columns | ({"metric", "split"} if key != "x" else set())
        if (block[key] is not None or key == "x") and block[key] not in allowed:
            raise InvalidError(key, messages.unknown("column", block[key], allowed))


def _check_cost(block: Mapping) -> None:
    """Check that x is a cost on a split, and that colours tell methods apart."""
    if "/" not in (block["x"] or ""):
        example = "as in wall_seconds/forget"
        raise InvalidError("x", f"{block['x']} is no metric on a split, {example}")
    cost = block["y"][-1]
    allowed_costs = [name for name, metric in METRICS.items() if metric.is_frontier_cost]
    if cost not in allowed_costs:
        raise InvalidError("x", messages.unknown("cost", cost, allowed_costs))
    _check_method_colour(block)


def _check_distances(block: Mapping) -> None:
    """Check that what stands against the cost are distances."""
    allowed_distances = [name for name, metric in METRICS.items() if metric.is_distance]
    for metric in block["y"][:-1]:
        if metric not in allowed_distances:
            raise InvalidError("y", messages.unknown("distance", metric, allowed_distances))


def _check_comparison(block: Mapping) -> None:
    """Check that there are metrics to compare, of methods, and no x axis."""
    if block["x"] is not None:
        raise InvalidError("x", f"{block['x']}: {block['kind']} has no x axis; allowed: null")
    allowed = [name for name, row in METRICS.items() if row.is_quality]
    for metric in block["y"]:
        if metric in METRICS and metric not in allowed:
            raise InvalidError("y", messages.unknown("metric of quality", metric, allowed))
    if len(block["y"]) < 2 and len(block["split"]) == 1:
        raise InvalidError(
            "y", f"{block['y'][0]} is alone; allowed: two metrics or more, or several splits"
        )
    _check_method_colour(block)


def _check_method_colour(block: Mapping) -> None:
    """Check that colours tell methods apart."""
    if block["colour"] not in ("variant", "method"):
        raise InvalidError(
            "colour", f"{block['colour']} tells no methods apart; allowed: variant, method"
        )


def _check_normalised(block: Mapping, has_normalised_axis: bool) -> None:
    """Check that the metrics to normalise are metrics of the figure, and no cost.

    `has_normalised_axis`: whether the kind of figure can draw them.
    """
    metrics = [metric for metric in block["y"][:-1] if metric in METRICS]
    allowed = []
    for metric in metrics:
        pair = block["pairs"].get(metric)
        splits = [pair] if pair else block["split"] or METRICS[metric].splits
        allowed += [metric, *(f"{metric}/{split}" for split in splits)]
    for name in block["normalised"]:
        if not has_normalised_axis:
            reason = f"{name}: {block['kind']} has no normalised axis; allowed: kind dots"
            raise InvalidError("normalised", reason)
        if name not in allowed:
            raise InvalidError("normalised", messages.unknown("metric", name, allowed))
