"""The small type below a figure: what a point is, and what is missing."""

from collections.abc import Mapping, Sequence

import pandas as pd

from unlearn.evaluation import table_flags

MAX_NAMES = 8
"""Names that a note lists; more are counted."""


def notes(rows: pd.DataFrame) -> list[str]:
    """The lines below a figure of these rows, at least one."""
    lines = [_interval_note(rows)]
    has_draws = "draws" in rows and (rows["draws"] > 1).any()
    unit = "models" if has_draws else "seeds"
    for flag in (name for name in ("failed", "diverged", "refused") if name in rows):
        largest_counts = rows[rows[flag] > 0].groupby("variant", sort=False)[flag].max()
        names = [
            f"{variant} (at most {count} of a cell's {unit})"
            for variant, count in largest_counts.items()
        ]
        if names:
            lines.append(f"{flag.upper()}, left out: {listing(names)}")
    lines += _flag_notes(rows)
    lines += _absence_notes(rows)
    lines += _precision_notes(rows)
    if "unconverged" in rows and (rows["unconverged"] > 0).any():
        datasets = rows.loc[rows["unconverged"] > 0, "dataset"].unique()
        lines.append(f"noise did NOT CONVERGE, kept: {listing(datasets)}")
    return lines


def _flag_notes(rows: pd.DataFrame) -> list[str]:
    """The flags of the rows with their variants; the number of seeds is in another line."""
    if "flags" not in rows:
        return []
    variants_by_flag: dict[str, list[str]] = {}
    for variant, text in zip(rows["variant"], rows["flags"].fillna(""), strict=True):
        for flag in filter(None, text.split(table_flags.SEPARATOR)):
            variants = variants_by_flag.setdefault(flag, [])
            if variant not in variants:
                variants.append(variant)
    variants_by_flag.pop(table_flags.REPLICATION_FLAG, None)
    return [f"flagged, {flag}: {listing(names)}" for flag, names in variants_by_flag.items()]


def emptiness_notes(figure: Mapping) -> list[str]:
    """The line of a figure block to which no row of its table belongs."""
    places = [
        f"{metric}/{figure['pairs'].get(metric) or '+'.join(figure['split']) or 'any split'}"
        for metric in figure["y"]
    ]
    methods = f" of {listing(figure['methods'])}" if figure["methods"] else ""
    return [f"nothing to draw: the table has no row for {listing(places)}{methods}"]


def listing(names: Sequence[str]) -> str:
    """The names, separated by commas; the number of those that are too many."""
    text = ", ".join(map(str, names[:MAX_NAMES]))
    return text if len(names) <= MAX_NAMES else f"{text} and {len(names) - MAX_NAMES:,} more"


def _interval_note(rows: pd.DataFrame) -> str:
    """What points and intervals are."""
    drawn_rows = rows[rows["n"] > 0]
    seeds = _counts(drawn_rows["n"])
    draws = _counts(drawn_rows["draws"]) if "draws" in rows else "1"
    units = "seed" if seeds == "1" else "seeds"
    sample = f"n = {seeds} {units}"
    if draws not in ("0", "1"):
        sample += f" and {draws} draws of the request"
    if seeds in ("0", "1"):
        return f"{sample}: no interval"
    return f"mean and 95 % t interval over {sample}"


def _counts(numbers: pd.Series) -> str:
    """The different numbers, in order; 0 where there is none."""
    return ", ".join(str(int(number)) for number in sorted(set(numbers))) or "0"


def _precision_notes(rows: pd.DataFrame) -> list[str]:
    """The precision of each model, where a figure mixes several."""
    if "precision" not in rows:
        return []
    models = rows[rows["n"] > 0].groupby("precision")["model"].unique()
    if len(models) < 2:
        return []
    return [f"in {precision}: {listing(names)}" for precision, names in models.items()]


def _absence_notes(rows: pd.DataFrame) -> list[str]:
    """The lines that have no value of a metric, although nothing failed, diverged or is refused."""
    counts = [name for name in ("n", "failed", "diverged", "refused") if name in rows]
    pairs = rows.groupby(["metric", "line"], sort=False)[counts].sum()
    empty_pairs = pairs[(pairs == 0).all(axis=1)].reset_index()
    return [
        f"no value of {metric}: {listing(list(metric_pairs['line']))}"
        for metric, metric_pairs in empty_pairs.groupby("metric", sort=False)
    ]
