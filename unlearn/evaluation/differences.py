"""Paired differences to doing nothing: seed by seed and draw by draw, with their tests."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from unlearn.evaluation.controls import GROUP, STANDARD_ORACLE, is_quality
from unlearn.evaluation.placement import original_of
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.significance import sign_flip_test
from unlearn.metrics.statistics import mean_interval

COLUMNS = ("difference", "difference_low", "difference_high", "p")
"""The columns that `paired_differences` returns beside its keys."""

_PAIR = [*GROUP, "draw", "seed", "metric", "split"]


def paired_differences(
    scores: pd.DataFrame, oracles: Mapping[str, str], keys: list[str]
) -> pd.DataFrame:
    """Means of paired differences to doing nothing, with intervals and p values.

    Args:
        scores: the scores of seeds, with a column `draw`; those of the controls among them.
        oracles: by variant its oracle; `retrain` where it is missing.
        keys: the columns that a row of the result stands for.

    Returns:
        `keys`, `difference` with its 95 % interval over seeds and draws, and `p` of the sign-flip
        test of the seeds' means. Doing nothing itself and floors have no rows, costs no p.
    """
    quality = [name for name, metric in METRICS.items() if is_quality(metric)]
    is_original = scores["method"] == "original"
    is_floor = scores["metric"].map(lambda name: bool(METRICS[name].floor_of)).astype(bool)
    originals = scores.loc[is_original, [*_PAIR, "variant", "value"]]
    originals = originals.rename(columns={"variant": "control", "value": "nothing"})
    originals = originals.drop_duplicates([*_PAIR, "control"])
    rows = scores[~is_original & ~is_floor]
    controls = rows["variant"].map(lambda name: original_of(oracles.get(name, STANDARD_ORACLE)))
    rows = rows.assign(control=controls.astype(object))
    pairs = rows.merge(originals, how="inner", on=[*_PAIR, "control"])
    differences = (pairs["value"] - pairs["nothing"]).to_numpy(float)
    seeds = pairs["seed"].to_numpy()
    draws, _ = pd.factorize(pairs["draw"])
    results = []
    for key, places in pairs.groupby(keys, sort=False).indices.items():
        row = dict(zip(keys, key, strict=True))
        matrix = seeds_by_draws(seeds[places], draws[places], differences[places])
        interval = mean_interval(matrix)
        row |= {"difference": interval.mean, "p": None}
        row |= {"difference_low": interval.low, "difference_high": interval.high}
        if row["metric"] in quality:
            row["p"] = sign_flip_test(_seed_means(matrix))
        results.append(row)
    table = pd.DataFrame(results, columns=[*keys, *COLUMNS])
    return table.astype(scores[keys].dtypes).astype(dict.fromkeys(COLUMNS, float))


def seeds_by_draws(seeds: np.ndarray, draws: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values of one cell, metric and split: seeds x draws, NaN where there is none."""
    if (draws == draws[0]).all():
        return values[:, None]
    seed_names, rows = np.unique(seeds, return_inverse=True)
    draw_names, columns = np.unique(draws, return_inverse=True)
    matrix = np.full((len(seed_names), len(draw_names)), np.nan)
    matrix[rows, columns] = values
    return matrix


def _seed_means(matrix: np.ndarray) -> np.ndarray:
    """The mean over the draws of each seed that have a value."""
    finite = np.where(np.isfinite(matrix), matrix, np.nan)
    finite = finite[~np.isnan(finite).all(axis=1)]
    return np.nanmean(finite, axis=1) if finite.size else np.empty(0)
