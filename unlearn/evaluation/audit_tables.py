"""From audits to rows of a table: one for each cell, population, metric and split."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from unlearn.evaluation import controls
from unlearn.evaluation.audit import COUNTS, DIFFERENCES
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.metrics.statistics import UPPER_PROBABILITY

KEYS = [*CELL_COLUMNS, "population", "metric", "split"]
"""The columns that a row of a table is about."""


def audit_rows(
    audits: pd.DataFrame,
    metrics: Sequence[str],
    splits: Sequence[str],
    oracles: Mapping[str, str],
) -> pd.DataFrame:
    """The rows of some metrics and splits; draws of one setting share a row.

    Args:
        audits: The audits of all cells, whose draws share the name of their request.
        metrics: The metrics of the table.
        splits: The splits of the table; empty for all.
        oracles: By variant its oracle; `retrain` where it is missing.

    Returns:
        The columns of `KEYS`, then `mean`, `ci_low`, `ci_high`, `n` (models), `draws`, `failed`,
        `diverged`, the paired difference to doing nothing, `reason`, which says why there is no
        mean, and those of `controls`.
    """
    rows = audits[audits["metric"].isin(metrics)]
    if splits:
        rows = rows[rows["split"].isin(splits)]
    records = []
    for key, places in rows.groupby(KEYS, sort=False, dropna=False).indices.items():
        record = dict(zip(KEYS, key, strict=True))
        records.append(record | _over_draws(rows.iloc[places]))
    columns = [*KEYS, "mean", "ci_low", "ci_high", "n", "draws", *COUNTS, *DIFFERENCES, "reason"]
    table = pd.DataFrame(records, columns=columns)
    parts = [
        controls.with_controls(part.reset_index(drop=True), oracles)
        for _, part in table.groupby("population", sort=False)
    ]
    return pd.concat([table.head(0), *parts], ignore_index=True)


def _over_draws(draws: pd.DataFrame) -> dict[str, float | int | str]:
    """The means over the draws of a request, with intervals over models and draws."""
    is_value = np.isfinite(draws["value"].to_numpy(float))
    n_draws = int(is_value.sum())
    counts = {name: int(draws[name].sum()) for name in COUNTS}
    reasons = draws["reason"].dropna()
    if not n_draws:
        reason = reasons.iloc[0] if len(reasons) else ""
        return {"n": 0, "draws": 0, **counts, "reason": reason}
    values = draws[is_value]
    mean = _mean(values, ("value", "low", "high"))
    difference = _mean(values, DIFFERENCES[:3])
    numbers = dict(zip(("mean", "ci_low", "ci_high"), mean[:3], strict=True))
    numbers |= zip(DIFFERENCES, difference, strict=True)
    if n_draws == 1:
        numbers["p"] = values["p"].iloc[0]
    return {**numbers, "n": int(values["n"].min()), "draws": n_draws, **counts, "reason": ""}


def _mean(draws: pd.DataFrame, columns: Sequence[str]) -> tuple[float, float, float, float]:
    """The mean of a value over draws, its interval, and the p value of 0.

    The squared half-widths of two intervals add up: that over the models, and that over the draws.

    Args:
        draws: One row a draw.
        columns: The value, and the ends of its interval over models.
    """
    values, low, high = (draws[column].to_numpy(float) for column in columns)
    if len(values) == 1:
        return values[0], low[0], high[0], np.nan
    n = len(values)
    quantile = stdtrit(n - 1, UPPER_PROBABILITY)
    of_models = np.square((high - low) / 2).sum() / n**2
    of_draws = quantile**2 * values.var(ddof=1) / n
    half_width = np.sqrt(of_models + of_draws)
    mean = values.mean()
    p = 2 * stdtr(n - 1, -abs(mean) * quantile / half_width) if half_width > 0 else np.nan
    return mean, mean - half_width, mean + half_width, p
