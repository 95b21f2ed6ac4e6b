"""The small type below a figure: what a point is, and what is missing."""

from collections.abc import Mapping, Sequence

import pandas as pd

from unlearn.evaluation import table_flags
from unlearn.evaluation.columns import SEPARATOR
from unlearn.metrics.catalogue import METRICS

MAX_NAMES = 8
"""Names that a note lists; more are counted."""

MAX_REASONS = 2
"""Reasons that a note gives for the values that a metric does not have."""

NOISE_NOTES = {
    "unconverged": "noise did NOT CONVERGE, kept",
    "weak": "noise is WEAK, new models learn from it",
}
"""What the notes say of data sets, by the count of a table."""


def notes(rows: pd.DataFrame) -> list[str]:
    """The lines below a figure of these rows, at least one."""
    return [*_interval_notes(rows), *remarks(rows)]


def published_notes(spec: Mapping) -> list[str]:
    """Where the numbers of others are from, if a figure has some."""
    published = spec.get("published")
    return [f"grey: published values, {published['source']}"] if published else []


def remarks(rows: pd.DataFrame) -> list[str]:
    """What is missing or flagged, without what a point is; empty where nothing is."""
    lines = []
    has_draws = "draws" in rows and (rows["draws"] > 1).any()
    unit = "models" if has_draws or _is_of_population(rows).any() else "seeds"
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
    for count, text in NOISE_NOTES.items():
        if count in rows and (rows[count] > 0).any():
            datasets = rows.loc[rows[count] > 0, "dataset"].unique()
            lines.append(f"{text}: {listing(datasets)}")
    return lines


def _flag_notes(rows: pd.DataFrame) -> list[str]:
    """The flags of the rows with their variants; the number of seeds is in another line."""
    if "flags" not in rows:
        return []
    variants_by_flag: dict[str, list[str]] = {}
    for variant, text in zip(rows["variant"], rows["flags"].fillna(""), strict=True):
        for flag in filter(None, text.split(SEPARATOR)):
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


def _is_of_population(rows: pd.DataFrame) -> pd.Series:
    """Whether a row is of a metric of populations, whose sample is models instead of seeds."""
    return rows["metric"].map(lambda name: METRICS[name].scope == "population").astype(bool)


def _interval_notes(rows: pd.DataFrame) -> list[str]:
    """What points and intervals are: a line for seeds and one for populations, if both are drawn.

    Two lines name their metrics.
    """
    is_of_population = _is_of_population(rows)
    kinds = ((~is_of_population, _seeds_note), (is_of_population, _models_note))
    pairs = [(rows[is_of_kind], note) for is_of_kind, note in kinds if is_of_kind.any()]
    pairs_with_values = [
        (part[part["n"] > 0], note) for part, note in pairs if (part["n"] > 0).any()
    ]
    if len(pairs_with_values) < 2:
        return [note(part) for part, note in pairs_with_values or pairs[:1]]
    return [
        f"{listing(list(part['metric'].unique()))}: {note(part)}"
        for part, note in pairs_with_values
    ]


def _seeds_note(rows: pd.DataFrame) -> str:
    """What points and intervals of metrics over seeds are."""
    seeds = _counts(rows.loc[rows["n"] > 0, "n"])
    units = "seed" if seeds == "1" else "seeds"
    sample = f"n = {seeds} {units}{_draws_text(rows)}"
    if seeds in ("0", "1"):
        return f"{sample}: no interval"
    return f"mean and 95 % t interval over {sample}"


def _models_note(rows: pd.DataFrame) -> str:
    """What points and intervals of metrics of populations are."""
    models = _counts(rows.loc[rows["n"] > 0, "n"])
    units = "model" if models == "1" else "models"
    sample = f"n = {models} {units} a side{_draws_text(rows)}"
    if models in ("0", "1"):
        return f"{sample}: no interval"
    return f"value and 95 % interval over {sample}"


def _draws_text(rows: pd.DataFrame) -> str:
    """How many draws of a request the rows are over; empty where there is one."""
    draws = _counts(rows.loc[rows["n"] > 0, "draws"]) if "draws" in rows else "1"
    return "" if draws in ("0", "1") else f" and {draws} draws of the request"


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
    """The lines that have no value of a metric, although nothing failed, diverged or is refused.

    Their reasons stand behind the metric, where the table has them.
    """
    counts = [name for name in ("n", "failed", "diverged", "refused") if name in rows]
    pairs = rows.groupby(["metric", "line"], sort=False)[counts].sum()
    empty_pairs = pairs[(pairs == 0).all(axis=1)].reset_index()
    notes_by_metric = []
    for metric, metric_pairs in empty_pairs.groupby("metric", sort=False):
        empty_lines = list(metric_pairs["line"])
        empty_rows = rows[(rows["metric"] == metric) & rows["line"].isin(empty_lines)]
        reason = _reasons(empty_rows)
        notes_by_metric.append(f"no value of {metric}{reason}: {listing(empty_lines)}")
    return notes_by_metric


def _reasons(rows: pd.DataFrame) -> str:
    """The first reasons of rows without a value, in brackets; empty where the table has none."""
    if "reason" not in rows:
        return ""
    reasons = [reason for reason in rows["reason"].dropna().unique() if reason]
    return f" ({' / '.join(reasons[:MAX_REASONS])})" if reasons else ""
