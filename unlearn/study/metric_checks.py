"""Metrics that have no value: none of the cells that a figure or wide table shows has them.

Every check raises `messages.InvalidError` with the path below the checked block.
"""

from collections.abc import Iterable, Mapping, Sequence

from unlearn.evaluation import placement
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.metric import ORACLE, ORIGINAL, OTHER_SEED, Metric
from unlearn.study import messages
from unlearn.study.components import Study
from unlearn.study.grid import Cell
from unlearn.study.messages import InvalidError

CHANGES_BY_SPLIT = {"forget": "delete", "added": "add"}
"""Splits that only some requests have, and what these ask for."""


def check_fleets(metrics: Sequence[str], cells: Sequence[Cell], study: Study) -> None:
    """Check that every fleet has two members or more if a metric compares them."""
    floors = [name for name in metrics if name in METRICS and METRICS[name].floor_of]
    paired = [cell.fleet for cell in cells if cell.fleet in study.fleets]
    single_fleets = [fleet for fleet in paired if len(study.fleets[fleet]) < 2]
    if floors and single_fleets:
        raise InvalidError(
            "",
            f"{floors[0]} compares the models of a fleet, {single_fleets[0]} has one; "
            "allowed: `fleet` and `seeds` that leave none alone",
        )


def check_metrics(
    metrics: Sequence[str], splits: Sequence[str], cells: Iterable[Cell], study: Study
) -> None:
    """Check that every metric has values on a split, and every split values of a metric.

    Args:
        metrics: the metrics of a figure or wide table.
        splits: its splits; empty for all.
        cells: the cells that it shows.
        study: the components of the study.
    """
    available_splits = splits_by_metric(cells, study)
    for metric in metrics:
        if metrics.count(metric) > 1:
            raise InvalidError("y", f"{metric} is there twice; its splits go into `split`")
        is_of_population = metric in METRICS and METRICS[metric].scope == "population"
        if is_of_population and not any(cell.fleet in study.populations for cell in cells):
            message = f"{metric} compares populations; set the key `population` of the experiment"
            raise InvalidError("y", message)
        if metric not in available_splits:
            raise InvalidError("y", messages.unknown("metric", metric, available_splits))
    all_splits = set().union(*(available_splits[metric] for metric in metrics))
    for split in splits:
        if split not in all_splits:
            raise InvalidError("split", messages.unknown("split", split, all_splits))
    for metric in metrics:
        if splits and not available_splits[metric] & set(splits):
            allowed = ", ".join(sorted(available_splits[metric]))
            raise InvalidError(
                "split", f"{list(splits)} has no value of {metric}; allowed here: {allowed}"
            )


def check_drawn(block: Mapping, cells: Sequence[Cell], study: Study) -> None:
    """Check that the methods of a figure have values of each of its metrics.

    Args:
        block: the figure block, with its defaults.
        cells: the cells that the figure draws.
        study: the components of the study.
    """
    available_splits = splits_by_metric(cells, study)
    is_nothing_alone = all(study.variants[cell.variant].kind == "original" for cell in cells)
    for metric in block["y"]:
        pair = block["pairs"].get(metric)
        splits = available_splits.get(metric, set()) & set([pair] if pair else block["split"])
        if not pair and not block["split"]:
            splits = available_splits.get(metric, set())
        if is_nothing_alone and not METRICS[metric].is_drawn_for_original:
            splits = splits - {"forget"}
        if not splits:
            methods = ", ".join(dict.fromkeys(study.variants[cell.variant].kind for cell in cells))
            reason = f"none of the methods that are drawn ({methods}) has a value of {metric}"
            raise InvalidError("methods" if block["methods"] else "y", reason)


def splits_by_metric(cells: Iterable[Cell], study: Study) -> dict[str, set[str]]:
    """The metrics that some cells have, and the splits on which they have values."""
    cells = list(cells)
    variants = [study.variants[name] for name in {cell.variant for cell in cells}]
    requests = [study.requests[name] for name in {cell.request for cell in cells}]
    datasets = [study.datasets[name] for name in {cell.dataset for cell in cells}]
    trainer_metrics = {name for v in variants for name in v.trainer.component.metrics}
    references = {name for v in variants for name in study.references.get(v.name, {})}
    references |= {ORACLE, ORIGINAL} | (
        {OTHER_SEED} if any(v.name == v.oracle for v in variants) else set()
    )
    has_swap = any(dataset.facts.swapped_classes for dataset in datasets)
    has_scoring = any(request.component.scoring() for request in requests)
    has_noise = any(dataset.facts.noised for dataset in datasets)
    has_tuning = any(variant.name in study.tunings for variant in variants)
    changes = {change for request in requests for change in request.component.changes}
    has_population = any(cell.fleet in study.populations for cell in cells)
    empty_splits = {s for s, change in CHANGES_BY_SPLIT.items() if change not in changes}

    def splits(metric: Metric) -> set[str]:
        if metric.scope == "population":
            return audited_splits(metric) if has_population else set()
        if metric.is_trainer_specific and metric.name not in trainer_metrics:
            return set()
        if (metric.of_classes and not has_swap) or (metric.scoring_field and not has_scoring):
            return set()
        if metric.reference not in references or (metric.noise_field and not has_noise):
            return set()
        if metric.tuning_field and not has_tuning:
            return set()
        return set(metric.splits) - (empty_splits if metric.is_about_points else set())

    has_validation = all(dataset.component.validation_size for dataset in datasets)

    def audited_splits(metric: Metric) -> set[str]:
        """Those of a metric of populations: nothing is audited where nothing is deleted."""
        if "delete" not in changes or (metric.needs_validation and not has_validation):
            return set()
        return set(metric.splits) - (set() if has_validation else {"validation"})

    available_splits = {name: splits(metric) for name, metric in METRICS.items()}
    return {name: values for name, values in available_splits.items() if values}


def drawn_cells(block: Mapping, rows: Mapping[Cell, Mapping]) -> list[Cell]:
    """The cells that a figure draws.

    Args:
        block: the figure block, with its defaults.
        rows: the columns of every cell.
    """
    return [
        cell
        for cell, row in rows.items()
        if cell.variant not in block.get("hidden", ())
        and (block["methods"] is None or placement.method_name(row) in block["methods"])
    ]
