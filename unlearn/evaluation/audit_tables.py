"""From audits to rows of a table: one for each cell, population, metric and split."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn.evaluation import controls
from unlearn.evaluation.audit import COUNTS
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
        `diverged`, `reason`, which says why there is no mean, and those of `controls`.
    """
    rows = audits[audits["metric"].isin(metrics)]
    if splits:
        rows = rows[rows["split"].isin(splits)]
    records = []
    for key, places in rows.groupby(KEYS, sort=False, dropna=False).indices.items():
        record = dict(zip(KEYS, key, strict=True))
        records.append(record | _over_draws(rows.iloc[places]))
    columns = [*KEYS, "mean", "ci_low", "ci_high", "n", "draws", *COUNTS, "reason"]
    table = pd.DataFrame(records, columns=columns)
    parts = [
        controls.with_controls(part.reset_index(drop=True), oracles)
        for _, part in table.groupby("population", sort=False)
    ]
    return pd.concat([table.head(0), *parts], ignore_index=True)


def _over_draws(draws: pd.DataFrame) -> dict[str, float | int | str]:
    """The mean over the draws of a request, with an interval over models and draws.

    The squared half-widths of the two add up: that over the models, and that over the draws.
    """
    values = draws["value"].to_numpy(float)
    is_value = np.isfinite(values)
    n_draws = int(is_value.sum())
    counts = {name: int(draws[name].sum()) for name in COUNTS}
    reasons = draws["reason"].dropna()
    if not n_draws:
        reason = reasons.iloc[0] if len(reasons) else ""
        numbers = dict.fromkeys(("mean", "ci_low", "ci_high"), np.nan)
        return {**numbers, "n": 0, "draws": 0, **counts, "reason": reason}
    mean = values[is_value].mean()
    low, high = (draws[end].to_numpy(float)[is_value] for end in ("low", "high"))
    if n_draws == 1:
        numbers = {"mean": mean, "ci_low": low[0], "ci_high": high[0]}
    else:
        of_models = np.square((high - low) / 2).sum() / n_draws**2
        quantile = stdtrit(n_draws - 1, UPPER_PROBABILITY)
        of_draws = quantile**2 * values[is_value].var(ddof=1) / n_draws
        half_width = np.sqrt(of_models + of_draws)
        numbers = {"mean": mean, "ci_low": mean - half_width, "ci_high": mean + half_width}
    n = int(draws["n"].to_numpy()[is_value].min())
    return {**numbers, "n": n, "draws": n_draws, **counts, "reason": ""}
