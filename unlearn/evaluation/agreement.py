"""Whether two tables of one experiment agree: to the digit, or within their uncertainty."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from unlearn.evaluation.columns import PLANNED_COLUMNS
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.relearning import RELEARNING_STEP

KEYS = [*PLANNED_COLUMNS, "metric", "split"]
NUMBERS = ["mean", "ci_low", "ci_high", "n"]
COUNTS = ["draws", "failed", "diverged", "unconverged", "weak"]
"""Counts that agree only where they are equal; earlier tables lack some."""
REQUIRED_COUNTS = COUNTS[:3]
"""Those without empty fields."""

POPULATION_PREFIX = "population."
"""Begins the columns that tell the populations of a cell apart."""

ERROR_RATE = 0.05
"""The probability that tables of equal distributions are called different."""


@dataclass(frozen=True)
class Agreement:
    """How many values of two tables are the same, agree, and do not."""

    same: int
    """Values with the same mean, interval and number of seeds."""
    agreeing: int
    """Values that differ by no more than their intervals explain."""
    incomparable: int
    """Values that differ and have no interval."""
    different: tuple[str, ...]
    """A line for each value that differs in itself or in a count, or that only one table has."""


def check_table(table: pd.DataFrame) -> None:
    """Raise ValueError, in one line, for what `evaluation.tables.summarise` never returns.

    A table has the columns of `KEYS` and `NUMBERS`, finite numbers or empty fields in the columns
    of numbers, and one row for each cell, population, metric and split.
    """
    absent = [column for column in (*KEYS, *NUMBERS) if column not in table]
    if absent:
        raise ValueError(f"has no column {absent[0]}; needed: {', '.join((*KEYS, *NUMBERS))}")
    for column in (*NUMBERS, *_columns_of(table, COUNTS)):
        numbers = pd.to_numeric(table[column], errors="coerce")
        is_bad = table[column].notna() & ~np.isfinite(numbers.to_numpy(float))
        if is_bad.any():
            value = table.loc[is_bad, column].iloc[0]
            raise ValueError(
                f"{column}: {str(value)!r} is no number; allowed: numbers, empty fields"
            )
    for column in ("n", *_columns_of(table, REQUIRED_COUNTS)):
        if table[column].isna().any():
            raise ValueError(f"{column}: an empty field is not allowed; allowed: numbers")
    keys = [*KEYS, *_population_columns(table)]
    repeated = table[table.duplicated(keys)]
    if len(repeated):
        key = tuple(map(str, repeated[keys].iloc[0]))
        raise ValueError(f"{_name(key)} is there twice; allowed: one row for each")


def agreement(
    published: pd.DataFrame, regenerated: pd.DataFrame, *, is_exact: bool = False
) -> Agreement:
    """Compare two tables of `evaluation.tables.summarise`, measured times and memory apart.

    Counts that both tables have must be equal, and a value that one lacks differs. With `is_exact`
    every value that is not the same is different. Else the means of a value are compared by Welch's
    test from their intervals. Holm's correction over all values keeps the probability of any false
    alarm below `ERROR_RATE`.

    Raises:
        ValueError: One of the two is no table; see `check_table`.

    References:
        Welch, The generalization of Student's problem, 1947. Holm, A simple sequentially rejective
        multiple test procedure, 1979.
    """
    for table in (published, regenerated):
        check_table(table)
    populations = list(dict.fromkeys(map(str, _population_columns(published, regenerated))))
    counts = [column for column in _columns_of(published, COUNTS) if column in regenerated]
    published, regenerated = (
        _rows(table, populations, counts) for table in (published, regenerated)
    )
    keys = [key for key in published.index if key in set(regenerated.index)]
    different = [f"only published: {_name(key)}" for key in published.index.difference(keys)]
    different += [f"only regenerated: {_name(key)}" for key in regenerated.index.difference(keys)]
    pairs = [(key, published.loc[key], regenerated.loc[key]) for key in keys]
    unlike = {key: text for key, old, new in pairs if (text := _unlikeness(old, new, counts))}
    different += [f"differs: {_name(key)}: {text}" for key, text in unlike.items()]
    comparable_pairs = [pair for pair in pairs if pair[0] not in unlike]
    unequal = [pair for pair in comparable_pairs if not _is_same(*pair[1:])]
    probability = _impossible if is_exact else _probability
    tested = [(key, old, new, probability(old, new)) for key, old, new in unequal]
    comparable = [entry for entry in tested if np.isfinite(entry[-1])]
    rejected = list(_rejected([entry[-1] for entry in comparable]))
    for (key, old, new, p), is_rejected in zip(comparable, rejected, strict=True):
        if is_rejected:
            values = f"{old['mean']:.6g} and {new['mean']:.6g}, p = {p:.2g}"
            different.append(f"differs: {_name(key)}: {values}")
    return Agreement(
        same=len(comparable_pairs) - len(unequal),
        agreeing=len(comparable) - sum(rejected),
        incomparable=len(tested) - len(comparable),
        different=tuple(different),
    )


def _columns_of(table: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """Those of some columns that a table has."""
    return [name for name in names if name in table]


def _population_columns(*tables: pd.DataFrame) -> list[str]:
    """The columns of the tables that tell populations, or steps of relearning, apart."""
    columns = [column for table in tables for column in table if isinstance(column, str)]
    keys = [c for c in columns if c.startswith(POPULATION_PREFIX) or c == RELEARNING_STEP]
    return list(dict.fromkeys(keys))


def _rows(table: pd.DataFrame, populations: Sequence[str], counts: Sequence[str]) -> pd.DataFrame:
    """The numbers of values that are not measured with a clock, by key.

    `populations` are columns that belong to the key, `counts` are further numbers.
    """
    table = table.reindex(columns=[*KEYS, *populations, *NUMBERS, *counts])
    clocked = [name for name, metric in METRICS.items() if metric.is_clocked]
    rows = table[~table["metric"].isin(clocked)]
    keys = [*KEYS, *populations]
    rows = rows.assign(**{key: rows[key].map(str) for key in keys})
    return rows.set_index(keys)[[*NUMBERS, *counts]].astype(float)


def _name(key: tuple[str, ...]) -> str:
    *cell, metric, split = key[: len(KEYS)]
    cell += key[len(KEYS) :]
    return f"{metric}/{split} of {'/'.join(cell)}"


def _unlikeness(old: pd.Series, new: pd.Series, counts: Sequence[str]) -> str:
    """How two values differ whatever their intervals are; empty if they do not."""
    texts = [
        f"{name} {old[name]:g} and {new[name]:g}"
        for name in counts
        if not np.array_equal(old[name], new[name], equal_nan=True)
    ]
    if np.isnan(old["mean"]) != np.isnan(new["mean"]):
        means = [
            "no value" if np.isnan(row["mean"]) else f"{row['mean']:.6g}" for row in (old, new)
        ]
        texts.append(" and ".join(means))
    return ", ".join(texts)


def _is_same(old: pd.Series, new: pd.Series) -> bool:
    pairs = (row[NUMBERS].to_numpy(float) for row in (old, new))
    return bool(np.array_equal(*pairs, equal_nan=True))


def _impossible(*_: pd.Series) -> float:
    """The probability that equal arithmetic gives two values."""
    return 0.0


def _probability(old: pd.Series, new: pd.Series) -> float:
    """That means so far apart come from equal distributions; nan without two intervals."""
    errors = [_standard_error(row) for row in (old, new)]
    if not np.isfinite(errors).all():
        return np.nan
    if old["mean"] == new["mean"]:
        return 1.0
    if not any(errors):
        return 0.0
    deviations = [error * np.sqrt(row["n"]) for error, row in zip(errors, (old, new), strict=True)]
    test = stats.ttest_ind_from_stats(
        old["mean"], deviations[0], old["n"], new["mean"], deviations[1], new["n"], equal_var=False
    )
    return float(test.pvalue)


def _standard_error(row: pd.Series) -> float:
    """The standard error that a 95 % interval over n seeds tells; nan where there is none."""
    if not row["n"] > 1:
        return np.nan
    return (row["ci_high"] - row["ci_low"]) / 2 / stats.t.ppf(0.975, row["n"] - 1)


def _rejected(probabilities: list[float]) -> Iterator[bool]:
    """Holm's procedure, in the order of the probabilities given."""
    order = np.argsort(probabilities)
    rejected = np.zeros(len(probabilities), dtype=bool)
    for position, index in enumerate(order):
        if probabilities[index] > ERROR_RATE / (len(order) - position):
            break
        rejected[index] = True
    return iter(rejected.tolist())
