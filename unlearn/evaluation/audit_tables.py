"""From audits to rows of a table: one for each cell, population, metric and split."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from unlearn.evaluation import controls
from unlearn.evaluation.audit import COUNTS, DIFFERENCES
from unlearn.evaluation.columns import CELL_COLUMNS, SEPARATOR
from unlearn.metrics.statistics import UPPER_PROBABILITY

REFUSED = "a gate has refused the cell"
"""Why an audit has no value whose models passed the gates."""

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
    columns = [
        *KEYS,
        "mean",
        "ci_low",
        "ci_high",
        "error",
        "n",
        "draws",
        *COUNTS,
        *DIFFERENCES,
        "reason",
        "flags",
    ]
    table = pd.DataFrame(records, columns=columns)
    parts = [
        controls.with_controls(part.reset_index(drop=True), oracles)
        for _, part in table.groupby("population", sort=False)
    ]
    return pd.concat([table.head(0), *parts], ignore_index=True)


def without_refused(audits: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The audits, without the values of cells that a gate has refused.

    Args:
        audits: The audits of all cells.
        cells: The columns of the cells that are refused.
    """
    refused_cells = set(cells[list(CELL_COLUMNS)].itertuples(index=False, name=None))
    keys = audits[list(CELL_COLUMNS)].itertuples(index=False, name=None)
    is_refused = pd.Series([key in refused_cells for key in keys], audits.index, dtype=bool)
    reasons = audits["reason"].mask(is_refused & audits["value"].notna(), REFUSED)
    return audits.assign(value=audits["value"].mask(is_refused), reason=reasons)


def _over_draws(draws: pd.DataFrame) -> dict[str, float | int | str]:
    """The means over the draws of a request, with intervals over models and draws.

    A method without a value in one draw has none: its controls would be means over other draws.
    """
    has_value = np.isfinite(draws["value"].to_numpy(float))
    counts = {name: int(draws[name].sum()) for name in COUNTS}
    texts = draws["flags"].dropna() if "flags" in draws else []
    flags = SEPARATOR.join(dict.fromkeys(name for text in texts for name in text.split(SEPARATOR)))
    if not has_value.all():
        reason = draws.loc[~has_value, "reason"].fillna("").iloc[0]
        return {"n": 0, "draws": 0, **counts, "reason": reason, "flags": flags}
    mean = _mean(draws, ("value", "low", "high", "error"))
    numbers = dict(zip(("mean", "ci_low", "ci_high", "error"), mean[:4], strict=True))
    difference = _mean(draws, (*DIFFERENCES[:3], None))
    numbers |= zip(DIFFERENCES[:3], difference[:3], strict=True)
    numbers["p"] = draws["p"].iloc[0] if len(draws) == 1 else difference[4]
    numbers |= {"n": int(draws["n"].min()), "draws": len(draws), **counts}
    return {**numbers, "reason": "", "flags": flags}


def _mean(
    draws: pd.DataFrame, columns: Sequence[str | None]
) -> tuple[float, float, float, float, float]:
    """The mean of a value over draws, its interval, standard error, and the p value of 0.

    All draws share their originals and the seeds of their oracles. So the error over models does
    not shrink with draws; the variance between draws adds to it.

    Args:
        draws: One row a draw.
        columns: The value, the ends of its interval over models, its standard error; without the
            last one the error is a half of the half-width.
    """
    values, low, high = (draws[column].to_numpy(float) for column in columns[:3])
    half_widths = (high - low) / 2
    errors = draws[columns[3]].to_numpy(float) if columns[3] else half_widths / 2
    if len(values) == 1:
        return values[0], low[0], high[0], errors[0], np.nan
    n = len(values)
    error_of_draws = np.sqrt(values.var(ddof=1) / n)
    error = np.sqrt(np.square(errors).mean() + error_of_draws**2)
    quantile = stdtrit(n - 1, UPPER_PROBABILITY)
    half_width = np.sqrt(np.square(half_widths).mean() + (quantile * error_of_draws) ** 2)
    mean = values.mean()
    p = 2 * stdtr(n - 1, -abs(mean) * quantile / half_width) if half_width > 0 else np.nan
    return mean, mean - half_width, mean + half_width, error, p
