"""From scores to a table: means and 95 % intervals over seeds."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from unlearn.evaluation import placement, score

CELL = list(score.CELL)
PLACES = ("metric", "split", "dataset", "model")


def read_scores(paths: Iterable[str]) -> pd.DataFrame:
    """The scores of all cells, numbers read back exactly as they were written."""
    return pd.concat([read(path) for path in paths], ignore_index=True)


def read(path: str) -> pd.DataFrame:
    """A table or scores: names are text whatever they look like, only empty fields are missing."""
    names = dict.fromkeys(("dataset", "model", "method", "variant", "request", "sampler"), str)
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def summarise(
    scores: pd.DataFrame,
    metrics: Sequence[str],
    splits: Sequence[str],
    columns: Mapping[str, Mapping[str, Mapping]],
) -> pd.DataFrame:
    """One row for each cell without its seeds, metric and split.

    `mean`, `ci_low` and `ci_high` (t interval) are over the `n` seeds whose value is a finite
    number. `failed` seeds, whose method raised, and `diverged` seeds, whose model is not finite,
    are counted beside it; they are never averaged, nor are the costs of diverged ones. Seeds whose
    images carry noise of an `unconverged` search are counted, and kept. `splits`
    empty means all. `columns` adds parameters: cell field -> canonical name (dataset/model for
    models) -> {column: value}.
    """
    order = scores[CELL].drop_duplicates().reset_index(drop=True)
    forget = scores[scores["split"] == "forget"]
    flags = order.copy()
    flags["failed"] = _count(forget, order, "completed", 0)
    flags["diverged"] = _count(forget, order, "diverged", 1)
    if (scores["metric"] == "noise_converged").any():
        learn = scores[scores["split"] == "learn"]
        flags["unconverged"] = _count(learn, order, "noise_converged", 0)
    shown = _without_diverged(scores[scores["metric"].isin(metrics)], scores)
    if splits:
        shown = shown[shown["split"].isin(splits)]
    keys = [*CELL, "metric", "split"]
    groups = shown.groupby(keys, sort=False)["value"]
    rows = [dict(zip(keys, key, strict=True)) | _interval(key[-2], v) for key, v in groups]
    summary = pd.DataFrame(rows, columns=[*keys, "mean", "ci_low", "ci_high", "n"])
    table = _with_failed(summary, flags, metrics, splits)
    table = table.merge(flags, on=CELL, how="left")
    for field, values in columns.items():
        _add_parameters(table, field, values)
    rank = {name: i for i, name in enumerate(metrics)}
    position = {tuple(row): i for i, row in enumerate(order.itertuples(index=False, name=None))}
    table["_order"] = [
        position[tuple(row)] for row in table[CELL].itertuples(index=False, name=None)
    ]
    table["_rank"] = table["metric"].map(rank)
    table = table.sort_values(["_rank", "split", "_order"], kind="stable")
    extra = [c for c in table if "." in c]
    numbers = ["mean", "ci_low", "ci_high", "n", *(c for c in flags if c not in CELL)]
    table["n"] = table["n"].fillna(0).astype(int)
    return table[[*CELL, *extra, "metric", "split", *numbers]].reset_index(drop=True)


def panels(table: pd.DataFrame, figure: Mapping) -> list[tuple[dict, pd.DataFrame]]:
    """What the panels of a figure show: place ({column: value}) and rows.

    Rows get the columns `line` and `shade`, the name of their line and what its colour stands for.
    Of a stream the last step is kept unless `step` or `points` is on an axis.
    """
    if not placement.axes(figure) & {"step", "points"}:
        table = table[table["step"] == table.groupby("request")["step"].transform("max")]
    chosen = [placement.chosen(record, figure) for record in table.to_dict("records")]
    table = table[chosen]
    records = table.to_dict("records")
    table = table.assign(
        line=[placement.line(record, figure) for record in records],
        # None stays None: as text it would become NaN
        shade=pd.Series([placement.shade(r, figure) for r in records], table.index, dtype=object),
    )
    shared = pd.Series([placement.everywhere(r, figure) for r in records], table.index, dtype=bool)
    facet = figure["facet"]
    hidden = placement.panel_fields(figure)
    fields = [f for f in PLACES if f in hidden and (f == "metric" or table[f].nunique() > 1)]
    fields += [facet] if facet else []
    found = []
    places = table.loc[~shared, fields].drop_duplicates().to_dict("records") if fields else [{}]
    for place in places:
        here = pd.Series(True, table.index)
        for column in place:
            place[column] = value = placement.value(place, column)
            same = table[column].isna() if value is None else table[column] == value
            here &= same | shared if column == facet else same
        found.append((place, table[here]))
    return found


def _without_diverged(shown: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The rows with the values of diverged models emptied, costs included, flags excepted.

    What was learned counts against the phase of learning only: retraining may still be sound.
    """
    flagged = scores[(scores["metric"] == "diverged") & (scores["value"] == 1)]
    seeds = [*CELL, "seed"]
    rows = pd.MultiIndex.from_frame(shown[seeds])
    gone = pd.Series(False, shown.index)
    for phase, of_phase in (("learn", True), ("forget", False)):
        models = pd.MultiIndex.from_frame(flagged.loc[flagged["split"] == phase, seeds])
        gone |= rows.isin(models) & ((shown["split"] == "learn") == of_phase)
    gone &= ~shown["metric"].isin(score.FLAGS)
    return shown.assign(value=shown["value"].mask(gone))


def _interval(metric: str, values: pd.Series) -> dict:
    """The mean of finite values and its 95 % t interval; none of one value, or of pairs of seeds,
    which are not independent."""
    finite = values.to_numpy(dtype=float)
    finite = finite[np.isfinite(finite)]
    n = len(finite)
    mean = finite.mean() if n else np.nan
    half = stdtrit(n - 1, 0.975) * finite.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    half = np.nan if metric in score.FLOOR else half
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "n": n}


def _count(rows: pd.DataFrame, order: pd.DataFrame, metric: str, value: int) -> pd.Series:
    hit = rows[(rows["metric"] == metric) & (rows["value"] == value)]
    counts = hit.groupby(CELL).size().rename("count").reset_index()
    return order.merge(counts, on=CELL, how="left")["count"].fillna(0).astype(int)


def _with_failed(
    summary: pd.DataFrame, flags: pd.DataFrame, metrics: Sequence[str], splits: Sequence[str]
) -> pd.DataFrame:
    """Rows without values for cells that failed for every seed, so that they stay in sight.

    They get the metrics and splits of the other cells of the same place; where all failed, every
    split that is shown.
    """
    place = ["dataset", "model", "request", "sampler", "rate", "step"]
    known = summary[[*place, "metric", "split"]].drop_duplicates()
    failed = flags[flags["failed"] > 0][CELL]
    gone = failed.merge(known, on=place, how="left")
    without = gone["metric"].isna()
    pairs = [(m, s) for m in metrics for s in score.METRICS[m] if not splits or s in splits]
    every = pd.DataFrame(pairs, columns=["metric", "split"])
    alone = gone[without][CELL].merge(every, how="cross")
    rows = pd.concat([gone[~without], alone])
    return summary.merge(rows, on=[*CELL, "metric", "split"], how="outer", sort=False)


def _add_parameters(table: pd.DataFrame, field: str, values: Mapping[str, Mapping]) -> None:
    names = {column for row in values.values() for column in row}
    key = table["dataset"] + "/" + table["model"] if field == "model" else table[field]
    for name in sorted(names):
        table[name] = key.map({part: row[name] for part, row in values.items() if name in row})
