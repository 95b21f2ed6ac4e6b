"""What a schema cannot say of figures and wide tables: names that do not exist, nothing to show.

Every check raises `schema.InvalidError` with the path below the checked block.
"""

from collections.abc import Mapping, Sequence

from unlearn.core import registry
from unlearn.evaluation import placement, score
from unlearn.study import schema
from unlearn.study.components import Study
from unlearn.study.grid import Cell
from unlearn.study.schema import InvalidError


def figure(
    block: Mapping, cells: Sequence[Cell], available: Mapping[str, Mapping], study: Study
) -> None:
    """Names that exist, something to show for each metric, and one value at each point.

    `available`: cell field -> canonical name (dataset/model for models) -> {column: value}.
    """
    kinds = registry.names("figures")
    if block["kind"] not in kinds:
        raise InvalidError("kind", schema.unknown("kind of figure", block["kind"], kinds))
    parameters = {c for rows in available.values() for row in rows.values() for c in row}
    columns = {*score.CELL, *parameters}
    of_metrics = block["kind"] == "frontier"
    if of_metrics and "/" not in block["x"]:
        raise InvalidError("x", f"{block['x']} is no metric on a split, as in wall_seconds/forget")
    if of_metrics:
        _check_frontier(block)
    for key in ("colour", "facet") if of_metrics else ("x", "colour", "facet"):
        allowed = columns | ({"metric", "split"} if key != "x" else set())
        if block[key] is not None and block[key] not in allowed:
            raise InvalidError(key, schema.unknown("column", block[key], allowed))
    asked, special = _asked(cells, study), _special(cells, study)
    for metric, split in block["pairs"].items():
        allowed = score.METRICS.get(metric, (split,))
        if split not in allowed:
            raise InvalidError("y", f"{metric}/{split}: {schema.unknown('split', split, allowed)}")
    _check_metrics(block["y"], block["split"], asked, special)
    _check_fleets(block["y"], cells, study)
    rows = {cell: _row(cell, available, study) for cell in cells}
    methods = {placement.method(row) for row in rows.values()}
    for name in block["methods"] or ():
        if name not in methods:
            raise InvalidError("methods", schema.unknown("method", name, methods))
    _check_points(block, rows)


def _check_frontier(block: Mapping) -> None:
    """Distances against a cost, both better low, and colours that tell methods apart."""
    *distances, cost = block["y"]
    for metric in distances:
        if metric not in placement.DISTANCES:
            raise InvalidError("y", schema.unknown("distance", metric, placement.DISTANCES))
    if cost not in placement.COSTS:
        raise InvalidError("x", schema.unknown("cost", cost, placement.COSTS))
    if block["colour"] not in ("variant", "method"):
        raise InvalidError(
            "colour", f"{block['colour']} tells no methods apart; allowed: variant, method"
        )


def _check_fleets(metrics: Sequence[str], cells: Sequence[Cell], study: Study) -> None:
    """Two models or more in every fleet, where models of a fleet are compared."""
    asked = [metric for metric in metrics if metric in score.FLOOR]
    alone = [cell.fleet for cell in cells if len(study.fleets[cell.fleet]) < 2]
    if asked and alone:
        raise InvalidError(
            "",
            f"{asked[0]} compares the models of a fleet, {alone[0]} has one; "
            "allowed: `fleet` and `seeds` that leave none alone",
        )


def summary(pairs: Sequence[str], cells: Sequence[Cell], study: Study) -> None:
    """Metrics that have a value on their splits."""
    asked, special = _asked(cells, study), _special(cells, study)
    _check_fleets([pair.split("/")[0] for pair in pairs], cells, study)
    for pair in pairs:
        metric, split = pair.split("/")
        try:
            _check_metrics([metric], [split], asked, special)
        except InvalidError as error:
            raise InvalidError("", f"{pair}: {error}") from error


def _asked(cells: Sequence[Cell], study: Study) -> set[str]:
    """The changes that the requests ask for."""
    names = {cell.request for cell in cells}
    return {change for name in names for change in study.requests[name].component.changes}


def _special(cells: Sequence[Cell], study: Study) -> set[str]:
    """The metrics that only these cells' trainers have."""
    names = {cell.variant for cell in cells}
    return {m for name in names for m in study.variants[name].trainer.component.metrics}


def _check_metrics(
    metrics: list[str], splits: list[str], asked: set[str], special: set[str]
) -> None:
    """Every metric has a value on one of the splits, and every split of one of the metrics."""
    known = set(score.METRICS) - set(score.SPECIAL) | special
    absent = {
        split for split, change in (("forget", "delete"), ("added", "add")) if change not in asked
    }
    there = {}
    for metric in metrics:
        if metrics.count(metric) > 1:
            raise InvalidError("y", f"{metric} is there twice; its splits go into `split`")
        if metric not in known:
            raise InvalidError("y", schema.unknown("metric", metric, known))
        of_points = metric in score.OF_POINTS
        there[metric] = set(score.METRICS[metric]) - (absent if of_points else set())
    some = set().union(*there.values())
    for split in splits:
        if split not in some:
            raise InvalidError("split", schema.unknown("split", split, some))
    for metric, its in there.items():
        if splits and not its & set(splits):
            allowed = ", ".join(sorted(its))
            raise InvalidError(
                "split", f"{splits} has no value of {metric}; allowed here: {allowed}"
            )


def _check_points(block: Mapping, rows: Mapping[Cell, Mapping]) -> None:
    """One value at each point of a line: what no axis tells apart would be drawn as one."""
    seen: dict[tuple, Cell] = {}
    on_axis: dict[tuple, bool] = {}
    for cell, row in rows.items():
        fields = [f for f in placement.panel_fields(block) if f in cell._fields]
        fields += [block["facet"]] if block["facet"] else []
        line = (cell.fleet, placement.line(row, block), *(placement.value(row, f) for f in fields))
        x = placement.value(row, block["x"])
        other = seen.setdefault((*line, x), cell)
        if other != cell:
            names = [n for n in cell._fields if getattr(other, n) != getattr(cell, n)]
            both = ", ".join(f"{getattr(other, n)} and {getattr(cell, n)}" for n in names)
            way_out = "tell them apart by x, colour or facet"
            raise InvalidError("", f"{both} would share one point; {way_out}")
        if on_axis.setdefault(line, x is None) != (x is None):
            name = placement.line(row, block)
            raise InvalidError("x", f"only some cells of the line {name} have a {block['x']}")


def _row(cell: Cell, available: Mapping[str, Mapping], study: Study) -> dict:
    """What is known of a cell's rows in the table before there is one."""
    request = study.requests[cell.request]
    return {
        **cell._asdict(),
        "method": study.variants[cell.variant].kind,
        "sampler": request.kind,
        "rate": request.parameters.get("rate") or cell.request,
        "points": request.parameters.get("count") or cell.request,
        "step": 1,
        **available["dataset"][cell.dataset],
        **available["model"][f"{cell.dataset}/{cell.model}"],
        **available["variant"][cell.variant],
        **available["request"][cell.request],
    }
