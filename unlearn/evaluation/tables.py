"""From scores to a table: means and 95 % intervals over seeds, and over draws of a request."""

import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from unlearn.evaluation import controls, differences
from unlearn.evaluation.audit_tables import audit_rows, without_refused
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.evaluation.differences import seeds_by_draws
from unlearn.evaluation.seed_scores import NO_DRAWS, with_settings, without_diverged
from unlearn.evaluation.table_flags import flag_texts
from unlearn.metrics.catalogue import METRICS, floor
from unlearn.metrics.significance import pairwise_interval
from unlearn.metrics.statistics import MeanInterval, mean_interval

_CELL = list(CELL_COLUMNS)
_KEYS = [*_CELL, "metric", "split"]
NO_AUDITS = pd.DataFrame()

TEXT_COLUMNS = (
    *("dataset", "model", "method", "variant", "request", "sampler", "precision"),
    *("population", "reason", "flags"),
)


def parse(text: str) -> pd.DataFrame:
    """The CSV text of a table or of scores, with numbers exactly as they were written.

    Names are text even if they look like numbers; only empty fields are missing values.
    """
    types = dict.fromkeys(TEXT_COLUMNS, str)
    return pd.read_csv(io.StringIO(text), dtype=types, keep_default_na=False, na_values=[""])


def parse_all(texts: Iterable[str]) -> pd.DataFrame:
    """The CSV texts of the scores, or of the audits, of many cells, as one table."""
    return pd.concat([NO_AUDITS, *map(parse, texts)], ignore_index=True)


def selected_text(texts: Iterable[str], metrics: Sequence[str], splits: Sequence[str]) -> str:
    """The lines of the scores of many cells that a table is made from, under one header.

    Args:
        texts: the CSV texts of the scores.
        metrics: the metrics of the table; flags are always there.
        splits: its splits; empty for all.
    """
    flags = [name for name, metric in METRICS.items() if metric.is_flag]
    floors = [row.name for row in map(floor, metrics) if row is not None]
    header = ""
    lines: dict[str, None] = {}
    for text in texts:
        header, *rows = text.splitlines(keepends=True)
        for line in rows:
            _, metric, split, _ = line.rsplit(",", 3)
            is_selected = metric in (*metrics, *floors) and (not splits or split in splits)
            if is_selected or metric in flags:
                lines[line] = None
    return "".join([header, *lines])


def summarise(
    scores: pd.DataFrame,
    metrics: Sequence[str],
    splits: Sequence[str],
    columns: Mapping[str, Mapping[str, Mapping]],
    draws: Mapping[str, str] = NO_DRAWS,
    audits: pd.DataFrame = NO_AUDITS,
) -> pd.DataFrame:
    """One row for each cell without its seeds and draws, metric and split.

    Args:
        scores: the scores of all cells, as `parse_all` returns them.
        metrics: the metrics of the table, in the order of its rows.
        splits: the splits of the table; empty for all.
        columns: the parameters that become columns, as {cell field: {canonical name: {column:
            value}}}. The canonical name of a model is dataset/model.
        draws: the requests that are draws of one setting, with the name that they share.
        audits: the audits of all cells; see `audit_tables`.

    Returns:
        The table. `mean`, `ci_low` and `ci_high` are over the `n` seeds and `draws` draws whose
        value is a finite number. `failed` counts models whose method raised an error, `diverged`
        those that are not finite; a model is of a seed and a draw. They are never averaged, and
        neither are the costs of diverged models. `unconverged` counts models whose images carry
        the noise of a search that did not converge, and `weak` those from whose noise new models
        learn nearly as from clean images; these are averaged. `refused` counts models of cells
        that a gate has refused. The columns of `controls` and `differences` set a value
        beside the floor and doing nothing. `flags` names what calls for a second look.
    """
    scores = with_settings(scores, draws)
    cells = scores[_CELL].drop_duplicates().reset_index(drop=True)
    flags = _flags(scores, cells)
    floors = [row.name for row in map(floor, metrics) if row is not None]
    is_selected = scores["metric"].isin([*metrics, *floors])
    selected_rows = without_diverged(scores[is_selected], scores)
    if splits:
        selected_rows = selected_rows[selected_rows["split"].isin(splits)]
    oracles = controls.oracles_of(columns)
    means = controls.with_controls(_means(selected_rows), oracles)
    pairs = differences.paired_differences(selected_rows, oracles, _KEYS)
    means = means.merge(pairs, how="left", on=_KEYS)
    means = means[means["metric"].isin(metrics)]
    table = _with_failed(means, flags, metrics, splits)
    table = table.merge(flags, on=_CELL, how="left")
    if len(audits):
        audits = without_refused(with_settings(audits, draws), flags[flags["refused"] > 0])
        rows = audit_rows(audits, metrics, splits, oracles)
        table = pd.concat([table, rows.drop(columns="error")], ignore_index=True)
    for field, values in columns.items():
        settings = {draws[name]: row for name, row in values.items() if name in draws}
        _add_parameters(table, field, {**values, **settings} if field == "request" else values)
    table = _in_order(table, cells, metrics)
    parameters = [column for column in table if "." in column]
    flag_columns = [column for column in flags if column not in (*_CELL, "refused")]
    numbers = ["mean", "ci_low", "ci_high", "n", "draws", *flag_columns, "refused"]
    numbers += [*controls.COLUMNS, *differences.COLUMNS, "flags"]
    numbers += ["reason"] if len(audits) else []
    for count in ("n", "draws", "refused"):
        table[count] = table[count].fillna(0).astype(int)
    table["flags"] = flag_texts(table, scores)
    is_floor = table["metric"].map(lambda name: bool(METRICS[name].floor_of)).astype(bool)
    table.loc[is_floor, ["ci_low", "ci_high"]] = np.nan  # its pairs share seeds
    return table[[*_CELL, *parameters, "metric", "split", *numbers]].reset_index(drop=True)


def _flags(scores: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with the numbers of models that failed, diverged, or have noise to be doubted."""
    forget = scores[scores["split"] == "forget"]
    flags = cells.copy()
    flags["failed"] = _count(forget, cells, "completed", 0)
    flags["diverged"] = _count(forget, cells, "diverged", 1)
    flags["refused"] = _count(forget, cells, "refused", 1)
    if (scores["metric"] == "noise_converged").any():
        learn = scores[scores["split"] == "learn"]
        flags["unconverged"] = _count(learn, cells, "noise_converged", 0)
        flags["weak"] = _count(learn, cells, "noise_weak", 1)
    return flags


def _count(rows: pd.DataFrame, cells: pd.DataFrame, metric: str, value: int) -> pd.Series:
    """The number of models of each cell whose metric has a value.

    Args:
        rows: the scores to count in.
        cells: the cells, one row each.
        metric: the metric.
        value: the value.

    Returns:
        A count for each row of `cells`.
    """
    matching_rows = rows[(rows["metric"] == metric) & (rows["value"] == value)]
    counts = matching_rows.groupby(_CELL).size().rename("count").reset_index()
    return cells.merge(counts, on=_CELL, how="left")["count"].fillna(0).astype(int)


def _means(selected_rows: pd.DataFrame) -> pd.DataFrame:
    """Means and intervals over the seeds and draws of each cell, metric and split."""
    keys = _KEYS
    values = selected_rows["value"].to_numpy(dtype=float)
    seeds = selected_rows["seed"].to_numpy()
    draws, _ = pd.factorize(selected_rows["draw"])
    rows = []
    for key, places in selected_rows.groupby(keys, sort=False).indices.items():
        row = dict(zip(keys, key, strict=True))
        matrix = seeds_by_draws(seeds[places], draws[places], values[places])
        interval = _interval(row["metric"], matrix)
        row |= {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high}
        rows.append(row | {"n": interval.n, "draws": np.isfinite(matrix).any(axis=0).sum()})
    numbers = ["mean", "ci_low", "ci_high", "n", "draws"]
    means = pd.DataFrame(rows, columns=[*keys, *numbers])
    return means.astype(selected_rows[_CELL].dtypes)  # without a row all columns are objects


def _interval(metric: str, values: np.ndarray) -> MeanInterval:
    """The mean and its interval; that of a floor knows that pairs of seeds depend on each other.

    `values` are of seeds x draws.
    """
    if not METRICS[metric].floor_of:
        return mean_interval(values)
    finite_values = np.where(np.isfinite(values), values, np.nan)
    has_value = ~np.isnan(finite_values).all(axis=1)
    if not has_value.any():
        return mean_interval(values)
    return pairwise_interval(np.nanmean(finite_values[has_value], axis=1))


def _with_failed(
    means: pd.DataFrame, flags: pd.DataFrame, metrics: Sequence[str], splits: Sequence[str]
) -> pd.DataFrame:
    """The means with rows without a value for cells that failed or are refused: they stay visible.

    A failed cell gets the metrics and splits of the other cells of its group. Where the whole group
    failed, it gets every split of every metric; audits have rows of their own.

    Args:
        means: the table so far.
        flags: the cells with the numbers of their failed seeds.
        metrics: the metrics of the table.
        splits: the splits of the table; empty for all.
    """
    pairs = means[[*controls.GROUP, "metric", "split"]].drop_duplicates()
    failed_cells = flags[(flags["failed"] > 0) | (flags["refused"] > 0)][_CELL]
    rows = failed_cells.merge(pairs, on=controls.GROUP, how="left")
    has_no_pair = rows["metric"].isna()
    scored = [name for name in metrics if METRICS[name].scope != "population"]
    every_pair = pd.DataFrame(
        [(m, s) for m in scored for s in METRICS[m].splits if not splits or s in splits],
        columns=["metric", "split"],
    )
    rows_of_failed_groups = rows[has_no_pair][_CELL].merge(every_pair, how="cross")
    rows = pd.concat([rows[~has_no_pair], rows_of_failed_groups])
    return means.merge(rows, on=[*_CELL, "metric", "split"], how="outer", sort=False)


def _add_parameters(table: pd.DataFrame, field: str, values: Mapping[str, Mapping]) -> None:
    """Add a column for each parameter of a cell field, in place.

    The field `fleet` has those of populations.
    """
    columns = {column for row in values.values() for column in row}
    if not columns:
        return
    field = "population" if field == "fleet" else field
    keys = table["dataset"] + "/" + table["model"] if field == "model" else table[field]
    for column in sorted(columns):
        parts = {name: row[column] for name, row in values.items() if column in row}
        table[column] = keys.map(parts)


def _in_order(table: pd.DataFrame, cells: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows sorted by metric, split and cell, with metrics and cells in their given order."""
    metric_ranks = {name: rank for rank, name in enumerate(metrics)}
    keys = cells.itertuples(index=False, name=None)
    cell_ranks = {key: rank for rank, key in enumerate(keys)}
    table_keys = table[_CELL].itertuples(index=False, name=None)
    table["_cell_rank"] = [cell_ranks.get(key, len(cell_ranks)) for key in table_keys]
    table["_metric_rank"] = table["metric"].map(metric_ranks)
    return table.sort_values(["_metric_rank", "split", "_cell_rank"], kind="stable")
