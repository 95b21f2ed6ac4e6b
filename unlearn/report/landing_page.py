"""The report's landing page, as reStructuredText: what was run, and the results in short."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from unlearn.evaluation import formatting, placement, wide_tables
from unlearn.evaluation.panels import Panel, panels
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.significance import (
    MAX_EXACT_PAIRS,
    minimum_detectable_effect,
    smallest_p,
)

MAX_COLUMNS = 8
"""Columns of values in a table of the page."""

MAX_VARIANTS = 3
"""Variants of a method that are listed; more are counted."""

NARROW_SPACE = "\u202f"
"""A space where no line breaks."""


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What the landing page shows."""

    study: str
    """The name of the study."""
    facts: Sequence[tuple[str, str]] = ()
    """What was run, as label and value."""
    datasets: Sequence[Mapping] = ()
    """The descriptions of the data sets, with their names."""
    guarantees: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Level and reason of the guarantee of each variant."""
    experiments: Mapping[str, tuple[str, Mapping, pd.DataFrame]] = field(default_factory=dict)
    """Description, figure block and table of each experiment."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """The error of each cell that failed."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """The reason of each cell that a gate has refused."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """What each cell that a gate has flagged is flagged for."""


def page(content: PageContent) -> str:
    """The whole page, as reStructuredText."""
    parts = [_title(f"Study {content.study}", "="), _table(("What was run", ""), content.facts)]
    parts += [
        _title("Guarantees", "-"),
        _table(("Unlearning is", "Because", "For"), _guarantee_rows(content.guarantees)),
    ]
    cell_lists = (
        ("Failed cells", "Error", content.failures),
        ("Refused cells", "Reason", content.refusals),
        ("Flagged cells", "Reason", content.flags),
    )
    for title, head, reasons in cell_lists:
        if reasons:
            parts += [_title(title, "-"), _table(("Cell", head), reasons.items())]
    parts.append(_title("Results", "-"))
    parts.append(
        "Mean ± half of the 95 % interval over seeds and draws, of metrics of populations over "
        "models. The right value of a metric of "
        "quality is the oracle's (*retrain*), neither 0 nor 100 %. *original* does nothing.\n"
    )
    parts.append(".. contents::\n   :local:\n   :backlinks: none\n")
    for name, (description, figure, table) in content.experiments.items():
        parts += [_title(name, "~"), _escaped(description) + "\n", *_results(table, figure)]
        parts.append(_power_note(table))
    head = ("Data set", "Training points", "Test points", "Held out", "SHA-256 (first 16)")
    rows = [_dataset_row(description) for description in content.datasets]
    parts += [_title("Data sets", "-"), _table(head, rows)]
    return "\n".join(parts)


def _dataset_row(description: Mapping) -> tuple:
    """The row of a data set."""
    counts = [description[name] for name in ("train_points", "test_points", "held_out_points")]
    return (description["name"], *counts, description["sha256"][:16])


def _guarantee_rows(guarantees: Mapping[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """A row for each guarantee: level, reason, and the variants that have it."""
    guarantees_by_method: dict[str, set] = {}
    variants_by_guarantee: dict[tuple[str, str], dict[str, list]] = {}
    for variant, guarantee in guarantees.items():
        method = _method(variant)
        guarantees_by_method.setdefault(method, set()).add(tuple(guarantee))
        variants_by_method = variants_by_guarantee.setdefault(tuple(guarantee), {})
        variants_by_method.setdefault(method, []).append(variant)
    rows = []
    for guarantee, variants_by_method in variants_by_guarantee.items():
        texts = [
            _variants_text(method, variants, len(guarantees_by_method[method]) == 1)
            for method, variants in variants_by_method.items()
        ]
        rows.append((*guarantee, ", ".join(texts)))
    return rows


def _variants_text(method: str, variants: Sequence[str], has_one_guarantee: bool) -> str:
    """The variants of a method; its name alone if all of them have the same guarantee."""
    if has_one_guarantee:
        return method
    if len(variants) > MAX_VARIANTS:
        return f"{len(variants)} variants of {method}, such as {variants[0]}"
    return ", ".join(variants)


def _method(variant: str) -> str:
    """The name of a variant without parameters: `sisa-shards=5` is of `sisa`."""
    return re.split(r"-\w+=", variant, maxsplit=1)[0]


def _results(table: pd.DataFrame, figure: Mapping) -> Iterator[str]:
    """The numbers of the figure: a table for each panel; of a frontier one table."""
    if figure["x"] not in table:
        yield _frontier_table(table, figure)
        return
    for panel in panels(table, figure):
        yield from _panel_tables(panel, figure["x"])


def _power_note(table: pd.DataFrame) -> str:
    """What paired tests of a table's seeds can find; empty where no value has two seeds.

    Metrics of populations are not compared by seeds.
    """
    is_by_seed = table["metric"].map(lambda name: METRICS[name].scope != "population").astype(bool)
    n = 0 if not is_by_seed.any() else int(table.loc[is_by_seed, "n"].max())
    effect = minimum_detectable_effect(n)
    if effect is None:
        return ""
    lowest_p = (
        f"; their exact test gives no p below {smallest_p(n):.2g}" if n <= MAX_EXACT_PAIRS else ""
    )
    return (
        f"With n = {n} seeds a paired test at 5 % finds a difference of {effect:.2f} of its "
        f"standard deviations with a probability of 80 %{lowest_p}.\n"
    )


def _frontier_table(table: pd.DataFrame, figure: Mapping) -> str:
    """The metrics of all variants."""
    records = table.to_dict("records")
    is_drawn = [placement.is_in_figure(record, figure) for record in records]
    rows = table[np.array(is_drawn, dtype=bool)]  # an empty list would select no column
    pairs = rows[["metric", "split"]].drop_duplicates().itertuples(index=False)
    columns = [f"{metric}/{split}" for metric, split in pairs]
    text = wide_tables.wide_text(rows, columns, NARROW_SPACE)
    return _table(list(text), text.itertuples(index=False))


def _panel_tables(panel: Panel, x: str) -> Iterator[str]:
    """A row for each line and a column for each value of x, with a remark if there are too many.

    Lines that are the values of x themselves share one column.
    """
    is_line_on_x = (panel.rows[x] == panel.rows["line"]).all()
    values = [] if is_line_on_x else list(panel.rows[x].dropna().drop_duplicates())
    columns = values
    if len(values) > MAX_COLUMNS:
        positions = np.linspace(0, len(values) - 1, MAX_COLUMNS)
        columns = [values[round(position)] for position in positions]
    titles = [placement.title(k, v) for k, v in panel.place.items() if k != "metric"]
    metrics = [_metric_head(metric) for metric in panel.rows["metric"].unique()]
    head = [", ".join([*titles, *metrics])]
    head += [placement.title(x, value) for value in columns] or ["value"]
    rows = []
    for name, line_rows in panel.rows.groupby("line", sort=False):
        has_no_x = line_rows[x].isna().all()
        cells = [line_rows if has_no_x else line_rows[line_rows[x] == v] for v in columns]
        rows.append([name, *map(_cell_text, cells or [line_rows])])
    yield _table(head, rows)
    if columns != values:
        yield f"{len(columns)} of {len(values)} columns; the whole is in the table.\n"


def _metric_head(metric: str) -> str:
    """A metric with the sign of percentages."""
    return f"{metric} (%)" if METRICS[metric].is_percentage else metric


def _cell_text(rows: pd.DataFrame) -> str:
    """The text of the rows of a table at one place, mostly one; empty without a row."""
    texts = [formatting.row_text(row, NARROW_SPACE) for row in rows.to_dict("records")]
    return "; ".join(text or "no value" for text in texts)


def _title(text: str, underline: str) -> str:
    """A heading."""
    return f"{text}\n{underline * len(text)}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        for i, cell in enumerate(row):
            lines.append(f"   {'*' if i == 0 else ' '} - {_escaped(str(cell))}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Literal text for docutils and for the template engine that reads the page first."""
    text = re.sub(r"[ \t\r\n]+", " ", text)
    for character in "\\*`_|@":
        text = text.replace(character, f"\\{character}")
    return text.replace("{", "(").replace("}", ")")
