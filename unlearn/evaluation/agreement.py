"""Whether two tables of one experiment agree: to the digit, or within their uncertainty."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from unlearn.evaluation.columns import PLANNED_COLUMNS
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.relearning import RELEARNING_STEP

KEYS = [*PLANNED_COLUMNS, "metric", "split"]
NUMBERS = ["mean", "ci_low", "ci_high", "n"]

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
    """A line for each value that differs, or that only one table has."""


def agreement(
    published: pd.DataFrame, regenerated: pd.DataFrame, *, is_exact: bool = False
) -> Agreement:
    """Compare two tables of `evaluation.tables.summarise`, measured times and memory apart.

    With `is_exact` every value that is not the same is different. Else the means of a value are
    compared by Welch's test from their intervals. Holm's correction over all values keeps the
    probability of any false alarm below `ERROR_RATE`.

    References:
        Welch, The generalization of Student's problem, 1947. Holm, A simple sequentially rejective
        multiple test procedure, 1979.
    """
    published, regenerated = _rows(published), _rows(regenerated)
    keys = [key for key in published.index if key in set(regenerated.index)]
    different = [f"only published: {_name(key)}" for key in published.index.difference(keys)]
    different += [f"only regenerated: {_name(key)}" for key in regenerated.index.difference(keys)]
    pairs = [(key, published.loc[key], regenerated.loc[key]) for key in keys]
    unequal = [pair for pair in pairs if not _is_same(*pair[1:])]
    probability = _impossible if is_exact else _probability
    tested = [(key, old, new, probability(old, new)) for key, old, new in unequal]
    comparable = [entry for entry in tested if np.isfinite(entry[-1])]
    rejected = list(_rejected([entry[-1] for entry in comparable]))
    for (key, old, new, p), is_rejected in zip(comparable, rejected, strict=True):
        if is_rejected:
            values = f"{old['mean']:.6g} and {new['mean']:.6g}, p = {p:.2g}"
            different.append(f"differs: {_name(key)}: {values}")
    return Agreement(
        same=len(pairs) - len(unequal),
        agreeing=len(comparable) - sum(rejected),
        incomparable=len(tested) - len(comparable),
        different=tuple(different),
    )


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """The numbers of values that are not measured with a clock, by key."""
    clocked = [name for name, metric in METRICS.items() if metric.is_clocked]
    rows = table[~table["metric"].isin(clocked)]
    keys = [*KEYS, RELEARNING_STEP] if RELEARNING_STEP in rows else KEYS
    rows = rows.assign(**{key: rows[key].astype(str) for key in keys})
    return rows.set_index(keys)[NUMBERS]


def _name(key: tuple[str, ...]) -> str:
    *cell, metric, split = key
    return f"{metric}/{split} of {'/'.join(cell)}"


def _is_same(old: pd.Series, new: pd.Series) -> bool:
    return bool(np.array_equal(old.to_numpy(float), new.to_numpy(float), equal_nan=True))


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
    """The standard error that a 95 % t interval over n seeds tells; nan where there is none."""
    if not row["n"] > 1:
        return np.nan
    return (row["ci_high"] - row["mean"]) / stats.t.ppf(0.975, row["n"] - 1)


def _rejected(probabilities: list[float]) -> Iterator[bool]:
    """Holm's procedure, in the order of the probabilities given."""
    order = np.argsort(probabilities)
    rejected = np.zeros(len(probabilities), dtype=bool)
    for position, index in enumerate(order):
        if probabilities[index] > ERROR_RATE / (len(order) - position):
            break
        rejected[index] = True
    return iter(rejected.tolist())
