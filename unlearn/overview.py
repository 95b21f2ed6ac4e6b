"""The report's landing page, as reStructuredText: what was run, and the results in short."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

PERCENT = ("accuracy",)
MOST_COLUMNS = 8


def page(
    study: str,
    facts: Sequence[tuple[str, str]],
    datasets: Iterable[Mapping],
    experiments: Mapping[str, tuple[str, str, pd.DataFrame]],
    failures: Mapping[str, str],
) -> str:
    """The whole page.

    `facts`: what was run, label and value. `experiments`: name -> (description, x column, table).
    `failures`: cell -> error.
    """
    parts = [_title(f"Study {study}", "="), _table(("What was run", ""), facts)]
    rows = [
        (d["name"], d["train_points"], d["test_points"], d["held_out_points"], d["sha256"][:16])
        for d in datasets
    ]
    head = ("Data set", "Training points", "Test points", "Held out", "SHA-256 (first 16)")
    parts.append(_table(head, rows))
    if failures:
        parts += [_title("Failed cells", "-"), _table(("Cell", "Error"), failures.items())]
    parts.append(_title("Results", "-"))
    parts.append(
        "Mean ± half of the 95 % interval over seeds. The right value of a quality metric is the "
        "oracle's (*retrain*), neither 0 nor 100 %. *original* does nothing.\n"
    )
    for name, (description, x, table) in experiments.items():
        parts += [_title(name, "~"), description + "\n", *_results(table, x)]
    return "\n".join(parts)


def _results(table: pd.DataFrame, x: str) -> Iterable[str]:
    if "step" != x:
        table = table[table["step"] == table["step"].max()]
    for key, part in table.groupby(["dataset", "model", "metric", "split"], sort=False):
        values = list(part[x].dropna().drop_duplicates())
        if len(values) > MOST_COLUMNS:
            values = values[:: -(-len(values) // MOST_COLUMNS)]
        dataset, model, metric, split = key
        unit = " (%)" if metric in PERCENT else ""
        head = [f"{dataset}, {model}: {metric}{unit} on {split}"]
        head += [f"{x} {_text(value)}" for value in values] or ["value"]
        rows = []
        for variant, line in part.groupby("variant", sort=False):
            without_x = line[line[x].isna()]
            cells = [line[line[x] == v] if without_x.empty else without_x for v in values]
            rows.append([variant, *(_cell(cell, metric) for cell in cells or [line])])
        yield _table(head, rows)


def _cell(rows: pd.DataFrame, metric: str) -> str:
    if rows.empty:
        return ""
    row = rows.iloc[0]
    notes = [f"{row[f]} {f}" for f in ("failed", "diverged") if row[f]]
    if row["n"] == 0:
        return ", ".join(notes) or "no value"
    scale = 100 if metric in PERCENT else 1
    text = _text(row["mean"] * scale)
    if row["n"] > 1:
        text += f" ± {_text((row['ci_high'] - row['ci_low']) / 2 * scale)}"
    return text + (f" ({', '.join(notes)})" if notes else "")


def _text(value) -> str:
    if not isinstance(value, float):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


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
    text = " ".join(text.split())
    for character in "\\*`_|":
        text = text.replace(character, f"\\{character}")
    return text.replace("{", "(").replace("}", ")")
