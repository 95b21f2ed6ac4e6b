"""What a schema cannot say of figures and wide tables: names that do not exist, nothing to show.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

from collections.abc import Collection, Mapping, Sequence

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.evaluation.columns import PLANNED_COLUMNS
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.relearning import RELEARNING_STEP
from unlearn.study import matrix_checks, messages, metric_checks
from unlearn.study.components import Study
from unlearn.study.grid import Cell
from unlearn.study.messages import InvalidError


def figure(
    block: Mapping,
    cells: Sequence[Cell],
    available: Mapping[str, Mapping],
    study: Study,
    draws: Mapping[str, str],
) -> None:
    """Check that names exist, that each metric has values, and that each point has one value.

    Args:
        block: the figure block, with its defaults.
        cells: the cells of the experiment.
        available: the parameters that can be on axes, as {cell field: {canonical name: {column:
            value}}}. The canonical name of a model is dataset/model.
        study: the components of the study.
        draws: the requests whose scores are averaged, with the name that they share.

    Raises:
        InvalidError: if a check fails.
    """
    kinds = registry.names("figures")
    if block["kind"] not in kinds:
        raise InvalidError("kind", messages.unknown("kind of figure", block["kind"], kinds))
    parameters = {c for rows in available.values() for row in rows.values() for c in row}
    is_relearned = any(name in METRICS and METRICS[name].is_curve for name in block["y"])
    curve_columns = {RELEARNING_STEP} if is_relearned else set()
    _check_columns(block, {*PLANNED_COLUMNS, *parameters, *curve_columns})
    for metric, split in block["pairs"].items():
        allowed = METRICS[metric].splits if metric in METRICS else (split,)
        if split not in allowed:
            raise InvalidError(
                "y", f"{metric}/{split}: {messages.unknown('split', split, allowed)}"
            )
    metric_checks.check_metrics(block["y"], block["split"], cells, study)
    metric_checks.check_fleets(block["y"], cells, study)
    matrix_checks.check_keys(block, {*PLANNED_COLUMNS, *parameters})
    rows: dict[Cell, dict] = {}
    for cell in cells:
        setting = _setting(cell, draws)
        rows.setdefault(setting, _row(cell, setting.request, available, study))
    methods = {placement.method_name(row) for row in rows.values()}
    for name in block["methods"] or ():
        if name not in methods:
            raise InvalidError("methods", messages.unknown("method", name, methods))
    drawn_settings = set(metric_checks.drawn_cells(block, rows))
    drawn_cells = [cell for cell in cells if _setting(cell, draws) in drawn_settings]
    metric_checks.check_drawn(block, drawn_cells, study)
    _check_populations(block, cells, study)
    _check_scale(block, rows)
    if registry.find("figures", block["kind"]).has_selections:
        drawn = metric_checks.drawn_cells(block, rows)
        matrix_checks.check_cells(block, {cell: rows[cell] for cell in drawn})
    else:
        _check_points(block, rows)


def summary(pairs: Sequence[str], cells: Sequence[Cell], study: Study) -> None:
    """Check that the metrics of a wide table, `metric/split`, have values on their splits."""
    metrics = [pair.split("/")[0] for pair in pairs]
    metric_checks.check_fleets(metrics, cells, study)
    populations = {cell.fleet for cell in cells if cell.fleet in study.populations}
    for metric in metrics if len(populations) > 1 else ():
        if metric in METRICS and METRICS[metric].scope == "population":
            raise InvalidError(
                "", f"{metric} has a value for each of {len(populations)} populations; allowed: one"
            )
    for pair in pairs:
        metric, split = pair.split("/")
        try:
            metric_checks.check_metrics([metric], [split], cells, study)
        except InvalidError as error:
            raise InvalidError("", f"{pair}: {error}") from error


def _check_columns(block: Mapping, columns: set[str]) -> None:
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


def _setting(cell: Cell, draws: Mapping[str, str]) -> Cell:
    """The cell with the name that all draws of its request share."""
    return cell._replace(request=draws.get(cell.request, cell.request))


def _check_scale(block: Mapping, rows: Mapping[Cell, Mapping]) -> None:
    """Check that a logarithmic x axis shows no truth values."""
    for row in rows.values():
        x = placement.column_value(row, block["x"])
        if block["xscale"] == "log" and isinstance(x, bool):
            reason = f"log has no place for {block['x']} {placement.text(x)}; allowed: linear"
            raise InvalidError("xscale", reason)


def _check_populations(block: Mapping, cells: Sequence[Cell], study: Study) -> None:
    """Check that several populations are told apart, are large enough, and have their own axes."""
    names = {cell.fleet for cell in cells if cell.fleet in study.populations}
    _check_models(block["y"], names, study)
    population_axes = [axis for axis in placement.axes(block) if axis.startswith("population.")]
    if len(names) > 1 and not population_axes:
        raise InvalidError(
            "",
            f"{len(names)} populations would share one point; tell them apart by x, colour or "
            "facet: population.unlearned, population.oracles or population.originals",
        )
    axes = placement.axes(block)
    places = [
        tuple(value for name, value in study.populations[fleet].columns.items() if name in axes)
        for fleet in names
    ]
    if len(set(places)) < len(places):
        raise InvalidError("", "two populations would share one point; tell them apart by an axis")
    if len(names) > 1 and block["kind"] == "agreement":
        raise InvalidError("kind", f"agreement is about one population; there are {len(names)}")
    single = [metric for metric in block["y"] if METRICS[metric].scope != "population"]
    if population_axes and single:
        raise InvalidError(
            "y", f"{single[0]} is no metric of a population, so it has no {population_axes[0]}"
        )


def _check_models(metrics: Sequence[str], names: Collection[str], study: Study) -> None:
    """Check that every metric has enough models in one of the populations that are named."""
    sides = [study.populations[name].models_a_side for name in names]
    for metric in metrics:
        needed = METRICS[metric].min_models
        if sides and max(sides) < needed:
            raise InvalidError(
                "y",
                f"{metric} needs {needed} models a side, the population has {max(sides)}; allowed: "
                f"{{originals: {needed}, oracles: {2 * needed}, unlearned: {needed}}} or more",
            )


def _check_points(block: Mapping, rows: Mapping[Cell, Mapping]) -> None:
    """Check that each point of a line has one value: no two cells share one."""
    cells_by_point: dict[tuple, Cell] = {}
    lines_without_x: dict[tuple, bool] = {}
    fields = [field for field in placement.panel_fields(block) if field in Cell._fields]
    fields += [block["facet"]] if block["facet"] else []
    for cell, row in rows.items():
        name = placement.line_name(row, block)
        panel = [placement.column_value(row, field) for field in fields]
        line = (cell.fleet, name, *panel)
        x = placement.column_value(row, block["x"])
        first_cell = cells_by_point.setdefault((*line, x), cell)
        if first_cell != cell:
            raise InvalidError("", _shared_point_message(first_cell, cell))
        if lines_without_x.setdefault(line, x is None) != (x is None):
            raise InvalidError("x", f"only some cells of the line {name} have a {block['x']}")


def _shared_point_message(first_cell: Cell, second_cell: Cell) -> str:
    """How two cells of one point differ, and what to do about it."""
    pairs = zip(first_cell, second_cell, strict=True)
    differences = ", ".join(f"{first} and {second}" for first, second in pairs if first != second)
    return f"{differences} would share one point; tell them apart by x, colour or facet"


def _row(cell: Cell, setting: str, available: Mapping[str, Mapping], study: Study) -> dict:
    """The columns of the rows of a cell, as far as they are known before it is scored.

    `setting`: the name that the request shares with other draws.
    """
    request = study.requests[cell.request]
    return {
        **cell._replace(request=setting)._asdict(),
        "method": study.variants[cell.variant].kind,
        "sampler": request.kind,
        "rate": request.parameters.get("rate") or setting,
        "points": request.parameters.get("count") or setting,
        "step": 1,
        **available["fleet"].get(cell.fleet, {}),
        RELEARNING_STEP: 1,
        **available["dataset"][cell.dataset],
        **available["model"][f"{cell.dataset}/{cell.model}"],
        **available["variant"][cell.variant],
        **available["request"][cell.request],
    }
