"""What a schema cannot say: parts that do not fit each other, figures that would show nothing.

Every check raises `schema.InvalidError` with the path below the checked block.
"""

import importlib
from collections.abc import Mapping, Sequence

from unlearn import catalogue, schema, scoring
from unlearn.parts import Cell, Dataset, Part, Study, Variant
from unlearn.schema import InvalidError


def dataset(block: Dataset) -> None:
    """A subset that exists, and something left to train on."""
    facts = catalogue.facts("data", block.kind)
    points, held_out = sizes(block)
    if points > facts["TRAIN"]:
        allowed = f"{block.kind} has {facts['TRAIN']} training points"
        raise InvalidError("subset", f"{points} is too many; {allowed}")
    if held_out >= points:
        share = block.parameters["held_out"]
        raise InvalidError("held_out", f"{share} of {points} points leaves none to train on")


def recipe(block: Part) -> None:
    """Combinations that the optimiser refuses."""
    if block.parameters["nesterov"] and not block.parameters["momentum"]:
        raise InvalidError("nesterov", "true needs a momentum above 0")


def request(data: Dataset, block: Part) -> None:
    """A request that selects some of the data and not all of it."""
    points, held_out = sizes(data)
    classes = catalogue.facts("data", data.kind)["CLASSES"]
    sampler = importlib.import_module(f"unlearn.requests.{block.kind}")
    try:
        sampler.check(points, classes, held_out, **block.parameters)
    except ValueError as error:
        raise InvalidError("", f"{block.name} on {data.name}: {error}") from error


def service(variant: Variant, block: Part) -> None:
    """A method that can do what the request asks for."""
    serves = catalogue.facts("methods", variant.kind)["serves"]
    for change in catalogue.facts("requests", block.kind)["ASKS"]:
        if change not in serves:
            allowed = " and ".join(serves)
            raise InvalidError(
                "", f"{variant.name} can only {allowed}, {block.name} asks to {change}"
            )


def figure(
    block: Mapping, cells: Sequence[Cell], available: Mapping[str, Mapping], study: Study
) -> None:
    """Names that exist, something to show for each metric, and one value at each point.

    `available`: cell field -> canonical name (dataset/model for models) -> {column: value}.
    """
    kinds = catalogue.names("figures")
    if block["kind"] not in kinds:
        raise InvalidError("kind", schema.unknown("kind of figure", block["kind"], kinds))
    parameters = {c for rows in available.values() for row in rows.values() for c in row}
    columns = {*scoring.CELL, "metric", "split", *parameters}
    for key in ("x", "colour", "facet"):
        if block[key] is not None and block[key] not in columns:
            raise InvalidError(key, schema.unknown("column", block[key], columns))
    asked = {
        change
        for cell in cells
        for change in catalogue.facts("requests", study.requests[cell.request].kind)["ASKS"]
    }
    _check_metrics(as_list(block["y"]), as_list(block["split"]), asked)
    _check_points(block, cells, available, study)


def _check_metrics(metrics: list[str], splits: list[str], asked: set[str]) -> None:
    empty = {"forget"} - ({"forget"} if "delete" in asked else set())
    empty |= {"added"} - ({"added"} if "add" in asked else set())
    for metric in metrics:
        if metric not in scoring.METRICS:
            raise InvalidError("y", schema.unknown("metric", metric, scoring.METRICS))
    known = {split for metric in metrics for split in scoring.METRICS[metric]}
    for split in splits:
        if split not in known:
            raise InvalidError("split", schema.unknown("split", split, known))
    for metric in metrics:
        there = set(scoring.METRICS[metric])
        if metric not in scoring.COSTS + scoring.FLAGS:
            there -= empty
        if splits and not there & set(splits):
            raise InvalidError(
                "split",
                f"{splits} has no value of {metric}; allowed here: {', '.join(sorted(there))}",
            )


def _check_points(
    block: Mapping, cells: Sequence[Cell], available: Mapping[str, Mapping], study: Study
) -> None:
    """No two cells at one point of one line: the figure could not tell them apart."""
    used = [block[key] for key in ("x", "colour", "facet") if block[key]]
    seen: dict[tuple, Cell] = {}
    for cell in cells:
        values = {
            **cell._asdict(),
            "method": study.variants[cell.variant].kind,
            "sampler": study.requests[cell.request].kind,
            "rate": study.requests[cell.request].parameters.get("rate") or cell.request,
            **available["dataset"][cell.dataset],
            **available["model"][f"{cell.dataset}/{cell.model}"],
            **available["variant"][cell.variant],
            **available["request"][cell.request],
        }
        # controls that lack the parameter on an axis stay lines of their own
        colour = values.get(block["colour"], cell.variant)
        point = (cell.dataset, cell.model, cell.fleet, colour, *(values.get(c) for c in used))
        other = seen.setdefault(point, cell)
        if other != cell:
            differing = [n for n in cell._fields if getattr(other, n) != getattr(cell, n)]
            ways = {f"{getattr(other, n)} and {getattr(cell, n)}" for n in differing}
            both = ", ".join(sorted(ways))
            way_out = "tell them apart by x, colour or facet"
            raise InvalidError("", f"{both} would share one point; {way_out}")


def sizes(block: Dataset) -> tuple[int, int]:
    """Training points of a data set, and how many of them are held out."""
    points = block.parameters["subset"] or catalogue.facts("data", block.kind)["TRAIN"]
    return points, round(block.parameters["held_out"] * points)


def as_list(value) -> list:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]
