"""What a dot plot shows: blocks of methods, and the dots of each metric, without drawing them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from unlearn.evaluation import formatting, placement, table_flags
from unlearn.evaluation.panels import Panel
from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import _labels, _style, _ticks

NORMALISED_LIMITS = (-1.0, 2.0)
"""Normalised values that the axis reaches to; an arrow stands for one beyond."""

MAX_WITH_DECIMALS = 100
"""Normalised values below this have two decimals."""

FLAGS = ("failed", "diverged", "refused")
"""The columns that count models without a value."""


class Dot(NamedTuple):
    """A method in a panel, in the units of its axis; NaN where it has no number."""

    value: float
    low: float
    high: float
    floor_low: float
    floor_high: float
    text: str
    """The number as text, or why there is none."""


@dataclass(frozen=True)
class DotColumn:
    """A metric on a split in one block."""

    metric: str
    split: str
    is_cost: bool
    is_normalised: bool
    has_no_floor: bool
    """Whether the figure asks for normalised values and the table has none."""
    dots: Mapping[str, Dot]
    """The dot of each line."""

    @property
    def title(self) -> str:
        """The title of the panel."""
        return "Cost" if self.is_cost else _labels.metric_label(self.metric, self.split)

    @property
    def axis_label(self) -> str:
        """The label of the axis."""
        return (
            "0: retrained, 1: doing nothing" if self.is_normalised else METRICS[self.metric].label
        )


@dataclass(frozen=True)
class Block:
    """The methods of one data set, model and request, by cost."""

    title: str
    lines: Sequence[str]
    labels: Mapping[str, str]
    """The label of each line."""
    counts: Mapping[str, str]
    """How many models of each line failed, diverged or were refused, where others did not."""
    guarantees: Mapping[str, str]
    """The level of each line, where the table has it."""
    columns: Mapping[tuple[str, str], DotColumn]
    """The panels, by metric and split."""
    controls: Mapping[str, str]
    """The lines of the standard oracle and of doing nothing, by method."""


def blocks(figure_panels: Sequence[Panel], spec: Mapping) -> list[Block]:
    """The blocks of the panels of a figure, in the order of the table."""
    panels_by_place: dict[tuple, list[Panel]] = {}
    for panel in figure_panels:
        place = tuple((k, v) for k, v in panel.place.items() if k not in ("metric", "split"))
        panels_by_place.setdefault(place, []).append(panel)
    counts = _largest_counts(figure_panels)
    return [_block(dict(place), group, spec, counts) for place, group in panels_by_place.items()]


def _largest_counts(figure_panels: Sequence[Panel]) -> dict[bool, int]:
    """The most seeds (False) and models of populations (True) that a value of a figure is over."""
    counts = {False: 0, True: 0}
    for panel in figure_panels:
        for metric, n in zip(panel.rows["metric"], panel.rows["n"], strict=True):
            is_of_population = METRICS[metric].scope == "population"
            counts[is_of_population] = max(counts[is_of_population], n)
    return counts


def _block(
    place: Mapping, block_panels: Sequence[Panel], spec: Mapping, largest_counts: Mapping[bool, int]
) -> Block:
    """The block of the panels that share a place; `largest_counts` are those of the figure."""
    rows = pd.concat([panel.rows for panel in block_panels], ignore_index=True)
    cost = spec["y"][-1]
    first_rows = rows.drop_duplicates("line").set_index("line")
    lines = _lines_by_cost(rows, first_rows, cost)
    columns = {}
    for (metric, split), group in rows.groupby(["metric", "split"], sort=False):
        records = {row["line"]: row for row in group.to_dict("records")}
        column = _column(records, lines, first_rows, spec)
        count = largest_counts[METRICS[metric].scope == "population"]
        columns[metric, split] = _with_counts(column, records, count)
    guarantees = first_rows.get("method.guarantee", pd.Series(dtype=object)).dropna().to_dict()
    controls = {
        row["method"]: line
        for line, row in reversed(first_rows.to_dict("index").items())
        if row["method"] in placement.CONTROLS and not placement.trainer(row)
    }
    counts = {
        line: text
        for line, row in rows[rows["n"] > 0].drop_duplicates("line").set_index("line").iterrows()
        if (text := _counts(row))
    }
    labels = _labels.variant_labels(lines, spec.get("labels", {}))
    title = _title(place, rows, spec)
    return Block(title, lines, labels, counts, guarantees, columns, controls)


def _title(place: Mapping, rows: pd.DataFrame, spec: Mapping) -> str:
    """Data set, model and request, where they are of the whole block, and what else it shares."""
    fields = [f for f in ("dataset", "model", "request") if rows[f].nunique() == 1]
    labels = {field: _labels.part_label(rows[field].iloc[0]) for field in fields}
    model_labels = [labels[field] for field in ("dataset", "model") if field in labels]
    request_labels = [labels["request"]] if "request" in labels else []
    facet = spec["facet"]
    if facet in place and facet not in fields:
        request_labels.append(placement.title(facet, place[facet]))
    lines = [", ".join(model_labels), ", ".join(request_labels)]
    return "\n".join(_labels.capitalised(line) for line in lines if line)


def _lines_by_cost(rows: pd.DataFrame, first_rows: pd.DataFrame, cost: str) -> list[str]:
    """The lines, cheapest first; doing nothing is free, and lines without a cost come last."""
    cost_rows = rows[rows["metric"] == cost].drop_duplicates("line").set_index("line")
    costs = cost_rows["mean"].to_dict()

    def rank(line: str) -> tuple[bool, float]:
        is_free = first_rows.loc[line, "method"] == "original"
        value = costs.get(line, math.nan)
        value = 0.0 if is_free and math.isnan(value) else value
        return math.isnan(value), 0.0 if math.isnan(value) else value

    return sorted(first_rows.index, key=rank)


def _column(
    records: Mapping[str, Mapping], lines: Iterable[str], first_rows: pd.DataFrame, spec: Mapping
) -> DotColumn:
    """The panel of a metric on a split.

    Args:
        records: the rows of the table by line; a line can have none.
        lines: the lines of the block.
        first_rows: a row of each line, of any metric.
        spec: the figure block of the experiment.
    """
    row = next(iter(records.values()))
    metric, split = row["metric"], row["split"]
    is_cost = metric == spec["y"][-1]
    normalised = spec.get("normalised") or ()
    is_to_normalise = not {metric, f"{metric}/{split}"}.isdisjoint(normalised)
    is_normalised = is_to_normalise and any(
        _is_known(record, "normalised") for record in records.values()
    )
    dots = {}
    for line in lines:
        record = records.get(line)
        if record is None:
            is_free = is_cost and first_rows.loc[line, "method"] == "original"
            dots[line] = _empty_dot("0" if is_free else "")
        elif not record["n"] > 0:
            dots[line] = _empty_dot(_reason(record))
        elif is_normalised:
            dots[line] = _normalised_dot(record)
        else:
            dots[line] = _plain_dot(record, is_cost)
    has_no_floor = is_to_normalise and not is_normalised
    return DotColumn(metric, split, is_cost, is_normalised, has_no_floor, dots)


def _with_counts(
    column: DotColumn, records: Mapping[str, Mapping], largest_count: int
) -> DotColumn:
    """The panel with n beside each number that is over fewer seeds or models than others.

    Others are those of the panel; of a row that is flagged for its n those of the whole figure.

    Args:
        column: the panel.
        records: its rows of the table, by line.
        largest_count: the largest n of the figure for a metric of this kind.
    """
    panel_count = max(record["n"] for record in records.values())
    dots = dict(column.dots)
    for line, record in records.items():
        n = record["n"]
        is_flagged = table_flags.REPLICATION_FLAG in str(record.get("flags"))
        is_over_few = n < panel_count or (is_flagged and n < largest_count)
        if is_over_few and math.isfinite(dots[line].value):
            dots[line] = dots[line]._replace(text=f"{dots[line].text} (n = {n})")
    return replace(column, dots=dots)


def _is_known(record: Mapping, column: str) -> bool:
    """Whether a row has a finite number in a column."""
    value = record.get(column)
    return value is not None and math.isfinite(value)


def _empty_dot(text: str) -> Dot:
    """A text in place of a dot."""
    return Dot(*[math.nan] * 5, text)


def _reason(record: Mapping) -> str:
    """Why a row has no value."""
    flags = [flag for flag in FLAGS if record.get(flag, 0) > 0]
    return ", ".join(flags) or "no value"


def _normalised_dot(record: Mapping) -> Dot:
    """A dot on the axis from the oracle to doing nothing.

    A model that is equal to the oracle it is paired with has its dot at 0, the oracle's place.
    """
    if not _is_known(record, "normalised"):
        return _empty_dot("no floor")
    scale = record["nothing"] - record["floor"]
    names = ("ci_low", "ci_high", "floor_low", "floor_high")
    ends = [(record.get(name, math.nan) - record["floor"]) / scale for name in names]
    low, high = sorted(ends[:2])
    floor_low, floor_high = sorted(ends[2:])
    value = record["normalised"]
    if _is_oracle(record):
        return Dot(0.0, math.nan, math.nan, floor_low, floor_high, "0")
    text = _normalised_text(value, (high - low) / 2)
    return Dot(value, low, high, floor_low, floor_high, text)


def _is_oracle(record: Mapping) -> bool:
    """Whether all models of a row are equal to their oracles, as far as its metric can see."""
    numbers = {record[name] for name in ("mean", "ci_low", "ci_high")}
    return METRICS[record["metric"]].scope == "pair" and numbers == {0.0}


def _normalised_text(value: float, half_width: float) -> str:
    """A normalised value with half of its interval."""
    if max(abs(value), 0 if math.isnan(half_width) else half_width) >= MAX_WITH_DECIMALS:
        return formatting.interval_text(value, half_width, None)
    numbers = [number for number in (value, half_width) if not math.isnan(number)]
    return " ± ".join(f"{round(number, 2) + 0.0:.2f}" for number in numbers)


def _plain_dot(record: Mapping, is_cost: bool) -> Dot:
    """A dot in the units of its metric."""
    metric = METRICS[record["metric"]]
    names = ("mean", "ci_low", "ci_high", "floor_low", "floor_high")
    numbers = [record.get(name, math.nan) * metric.scale for name in names]
    mean, low, high, floor_low, floor_high = numbers
    if math.isfinite(low):
        ends = _style.clamped_interval(metric.name, np.array(low), np.array(high))
        low, high = map(float, ends)
    is_long = is_cost and math.isfinite(mean) and mean >= _ticks.MIN_WITH_LETTER
    unflagged_record = {**record, **dict.fromkeys(FLAGS, 0)}
    text = _ticks.plain_number(mean) if is_long else formatting.row_text(unflagged_record)
    if is_cost:
        floor_low = floor_high = math.nan
    return Dot(mean, low, high, floor_low, floor_high, text)


def _counts(record: Mapping) -> str:
    """How many models of a row with a value have none."""
    counts = [f"{int(record[flag])} {flag}" for flag in FLAGS if record.get(flag, 0) > 0]
    return ", ".join(counts)
