"""The columns that say what a row of scores is about."""

CELL_COLUMNS = (
    "dataset",
    "model",
    "method",
    "variant",
    "request",
    "sampler",
    "rate",
    "step",
    "points",
    "precision",
)
"""The columns that say what a score belongs to, beside seed, metric and split."""

PLANNED_COLUMNS = tuple(name for name in CELL_COLUMNS if name != "precision")
"""Those that are known before a study runs; `precision: auto` is resolved by a job."""

SEPARATOR = "; "
"""Stands between the names in the column `flags`."""
