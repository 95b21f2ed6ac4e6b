"""What a schema cannot say of figures and wide tables: names that do not exist, nothing to show.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

from collections.abc import Collection, Mapping, Sequence

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.evaluation.columns import PLANNED_COLUMNS
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.relearning import RELEARNING_STEP
from unlearn.study import matrix_checks, messages, metric_checks, published_checks
from unlearn.study.column_checks import check_columns
from unlearn.study.components import Study
from unlearn.study.grid import Cell
from unlearn.study.messages import InvalidError
from unlearn.study.point_checks import check_points


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
    columns = {*PLANNED_COLUMNS, *parameters, *curve_columns}
    check_columns(block, columns)
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
    drawn_rows = {cell: rows[cell] for cell in metric_checks.drawn_cells(block, rows)}
    published_checks.check_published(block, drawn_rows.values())
    if registry.find("figures", block["kind"]).has_selections:
        matrix_checks.check_cells(block, drawn_rows)
    else:
        check_points(block, drawn_rows, columns)


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
