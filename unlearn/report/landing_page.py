"""The report's landing page, as reStructuredText: what was run, and the results in short."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from unlearn.evaluation import formatting, placement, tables, wide_tables

MOST_COLUMNS = 8
MOST_NAMES = 3  # of variants of a method; more are counted
NARROW = "\u202f"  # a space that does not break


def page(
    study: str,
    facts: Sequence[tuple[str, str]],
    datasets: Iterable[Mapping],
    guarantees: Mapping[str, tuple[str, str]],
    experiments: Mapping[str, tuple[str, Mapping, pd.DataFrame]],
    failures: Mapping[str, str],
) -> str:
    """The whole page.

    `facts`: what was run, label and value. `guarantees`: variant -> (level, reason).
    `experiments`: name -> (description, figure, table). `failures`: cell -> error.
    """
    parts = [_title(f"Study {study}", "="), _table(("What was run", ""), facts)]
    parts += [
        _title("Guarantees", "-"),
        _table(("Unlearning is", "Because", "For"), _alike(guarantees)),
    ]
    if failures:
        parts += [_title("Failed cells", "-"), _table(("Cell", "Error"), failures.items())]
    parts.append(_title("Results", "-"))
    parts.append(
        "Mean ± half of the 95 % interval over seeds. The right value of a quality metric is the "
        "oracle's (*retrain*), neither 0 nor 100 %. *original* does nothing.\n"
    )
    parts.append(".. contents::\n   :local:\n   :backlinks: none\n")
    for name, (description, figure, table) in experiments.items():
        parts += [_title(name, "~"), _escaped(description) + "\n", *_results(table, figure)]
    rows = [
        (d["name"], d["train_points"], d["test_points"], d["held_out_points"], d["sha256"][:16])
        for d in datasets
    ]
    head = ("Data set", "Training points", "Test points", "Held out", "SHA-256 (first 16)")
    parts += [_title("Data sets", "-"), _table(head, rows)]
    return "\n".join(parts)


def _alike(guarantees: Mapping[str, tuple[str, str]]) -> Iterable[tuple[str, str, str]]:
    """A row for each guarantee; a method with one guarantee for all its parameters stands once.

    Of a method with several, many variants of one guarantee are counted.
    """
    methods: dict[str, set] = {}
    for variant, guarantee in guarantees.items():
        methods.setdefault(_method(variant), set()).add(tuple(guarantee))
    rows: dict[tuple[str, str], dict[str, list]] = {}
    for variant, guarantee in guarantees.items():
        row = rows.setdefault(tuple(guarantee), {})
        row.setdefault(_method(variant), []).append(variant)
    return [
        (*guarantee, ", ".join(_named(m, v, len(methods[m]) == 1) for m, v in row.items()))
        for guarantee, row in rows.items()
    ]


def _named(method: str, variants: Sequence[str], alone: bool) -> str:
    """How variants of a method are named; `alone` if all of them have the same guarantee."""
    if alone:
        return method
    if len(variants) > MOST_NAMES:
        return f"{len(variants)} variants of {method}, such as {variants[0]}"
    return ", ".join(variants)


def _method(variant: str) -> str:
    """The variant's name without parameters: `sisa-shards=5` is of `sisa`."""
    return re.split(r"-\w+=", variant, maxsplit=1)[0]


def _results(table: pd.DataFrame, figure: Mapping) -> Iterable[str]:
    """The numbers that the panels of the figure show, a table each; of a frontier all in one."""
    x = figure["x"]
    if x not in table:
        shown = table[[placement.chosen(row, figure) for row in table.to_dict("records")]]
        pairs = shown[["metric", "split"]].drop_duplicates().itertuples(index=False)
        columns = [f"{metric}/{split}" for metric, split in pairs]
        text = wide_tables.readable(shown, columns, NARROW)
        yield _table(list(text), text.itertuples(index=False))
        return
    for place, part in tables.panels(table, figure):
        values = list(part[x].dropna().drop_duplicates())
        shown = values
        if len(values) > MOST_COLUMNS:
            shown = [values[round(i)] for i in np.linspace(0, len(values) - 1, MOST_COLUMNS)]
        titles = [placement.title(c, v) for c, v in place.items() if c != "metric"]
        metrics = [m + (" (%)" if m in placement.PERCENT else "") for m in part["metric"].unique()]
        head = [", ".join([*titles, *metrics])]
        head += [placement.title(x, value) for value in shown] or ["value"]
        rows = []
        for name, line in part.groupby("line", sort=False):
            constant = line[x].isna().all()
            cells = [line if constant else line[line[x] == v] for v in shown]
            rows.append([name, *map(_cell, cells or [line])])
        yield _table(head, rows)
        if shown != values:
            yield f"{len(shown)} of {len(values)} columns; the whole is in the table.\n"


def _cell(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    (row,) = rows.to_dict("records")
    return formatting.shown(row, NARROW) or "no value"


def _title(text: str, underline: str) -> str:
    return f"{text}\n{underline * len(text)}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
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
