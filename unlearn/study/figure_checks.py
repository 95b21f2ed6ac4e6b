"""What a schema cannot say of figures and wide tables: names that do not exist, nothing to show.

Every check raises `schema.InvalidError` with the path below the checked block.
"""

from collections.abc import Mapping, Sequence

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.evaluation.score import CELL_COLUMNS
from unlearn.metrics.catalogue import METRICS, SPLITS
from unlearn.study import schema
from unlearn.study.components import Study
from unlearn.study.grid import Cell
from unlearn.study.schema import InvalidError


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
        raise InvalidError("kind", schema.unknown("kind of figure", block["kind"], kinds))
    parameters = {c for rows in available.values() for row in rows.values() for c in row}
    _check_columns(block, {*CELL_COLUMNS, *parameters})
    for metric, split in block["pairs"].items():
        allowed = METRICS[metric].splits if metric in METRICS else (split,)
        if split not in allowed:
            raise InvalidError("y", f"{metric}/{split}: {schema.unknown('split', split, allowed)}")
    _check_metrics(block["y"], block["split"], cells, study)
    _check_fleets(block["y"], cells, study)
    rows: dict[Cell, dict] = {}
    for cell in cells:
        setting = draws.get(cell.request, cell.request)
        rows.setdefault(cell._replace(request=setting), _row(cell, setting, available, study))
    methods = {placement.method_name(row) for row in rows.values()}
    for name in block["methods"] or ():
        if name not in methods:
            raise InvalidError("methods", schema.unknown("method", name, methods))
    _check_points(block, rows)


def summary(pairs: Sequence[str], cells: Sequence[Cell], study: Study) -> None:
    """Check that the metrics of a wide table, `metric/split`, have values on their splits."""
    _check_fleets([pair.split("/")[0] for pair in pairs], cells, study)
    for pair in pairs:
        metric, split = pair.split("/")
        try:
            _check_metrics([metric], [split], cells, study)
        except InvalidError as error:
            raise InvalidError("", f"{pair}: {error}") from error


def _check_columns(block: Mapping, columns: set[str]) -> None:
    """Check the columns, or the metric, that the axes, colours and panels show."""
    keys = ["x", "colour", "facet"]
    if registry.find("figures", block["kind"]).x_is_metric:
        if "/" not in block["x"]:
            example = "as in wall_seconds/forget"
            raise InvalidError("x", f"{block['x']} is no metric on a split, {example}")
        _check_frontier(block)
        keys.remove("x")
    for key in keys:
        allowed = columns | ({"metric", "split"} if key != "x" else set())
        if block[key] is not None and block[key] not in allowed:
            raise InvalidError(key, schema.unknown("column", block[key], allowed))


def _check_frontier(block: Mapping) -> None:
    """Check that distances stand against a cost, and that colours tell methods apart."""
    *distances, cost = block["y"]
    allowed_distances = [name for name, metric in METRICS.items() if metric.is_distance]
    for metric in distances:
        if metric not in allowed_distances:
            raise InvalidError("y", schema.unknown("distance", metric, allowed_distances))
    allowed_costs = [name for name, metric in METRICS.items() if metric.is_frontier_cost]
    if cost not in allowed_costs:
        raise InvalidError("x", schema.unknown("cost", cost, allowed_costs))
    if block["colour"] not in ("variant", "method"):
        raise InvalidError(
            "colour", f"{block['colour']} tells no methods apart; allowed: variant, method"
        )


def _check_fleets(metrics: Sequence[str], cells: Sequence[Cell], study: Study) -> None:
    """Check that every fleet has two members or more if a metric compares them."""
    floors = [name for name in metrics if name in METRICS and METRICS[name].floor_of]
    single_fleets = [cell.fleet for cell in cells if len(study.fleets[cell.fleet]) < 2]
    if floors and single_fleets:
        raise InvalidError(
            "",
            f"{floors[0]} compares the models of a fleet, {single_fleets[0]} has one; "
            "allowed: `fleet` and `seeds` that leave none alone",
        )


def _check_metrics(
    metrics: Sequence[str], splits: Sequence[str], cells: Sequence[Cell], study: Study
) -> None:
    """Check that every metric has values on a split, and every split values of a metric.

    Args:
        metrics: the metrics of a figure or wide table.
        splits: its splits; empty for all.
        cells: the cells of the experiment.
        study: the components of the study.
    """
    available_splits = _splits_by_metric(cells, study)
    for metric in metrics:
        if metrics.count(metric) > 1:
            raise InvalidError("y", f"{metric} is there twice; its splits go into `split`")
        if metric not in available_splits:
            raise InvalidError("y", schema.unknown("metric", metric, available_splits))
    all_splits = set().union(*(available_splits[metric] for metric in metrics))
    for split in splits:
        if split not in all_splits:
            raise InvalidError("split", schema.unknown("split", split, all_splits))
    for metric in metrics:
        if splits and not available_splits[metric] & set(splits):
            allowed = ", ".join(sorted(available_splits[metric]))
            raise InvalidError(
                "split", f"{splits} has no value of {metric}; allowed here: {allowed}"
            )


def _splits_by_metric(cells: Sequence[Cell], study: Study) -> dict[str, set[str]]:
    """The metrics that the cells have, and the splits on which they have values."""
    variants = {cell.variant for cell in cells}
    trainers = [study.variants[variant].trainer.component for variant in variants]
    trainer_metrics = {metric for trainer in trainers for metric in trainer.metrics}
    requests = {cell.request for cell in cells}
    samplers = [study.requests[request].component for request in requests]
    changes = {change for sampler in samplers for change in sampler.changes}
    changes_by_split = {"forget": "delete", "added": "add"}
    empty_splits = {s for s, change in changes_by_split.items() if change not in changes}
    return {
        name: set(metric.splits) - (empty_splits if metric.splits == SPLITS else set())
        for name, metric in METRICS.items()
        if not metric.is_trainer_specific or name in trainer_metrics
    }


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
        **available["dataset"][cell.dataset],
        **available["model"][f"{cell.dataset}/{cell.model}"],
        **available["variant"][cell.variant],
        **available["request"][cell.request],
    }
