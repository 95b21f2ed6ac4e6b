"""The scores of seeds that the means of a table are over."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.metrics.catalogue import METRICS

NO_DRAWS: Mapping[str, str] = MappingProxyType({})

_REQUEST_STEP = ["dataset", "request", "step"]
"""The columns that decide about how many points are deleted."""


def seed_scores(scores: pd.DataFrame, draws: Mapping[str, str] = NO_DRAWS) -> pd.DataFrame:
    """The scores that means are over: those of diverged models have no value.

    Args:
        scores: the scores of all cells, as `tables.parse_all` returns them.
        draws: the requests that are draws of one setting, with the name that they share.

    Returns:
        The scores with a column `draw`; draws of one setting share the name of their request.
    """
    scores = with_settings(scores, draws)
    return without_diverged(scores, scores)


def with_settings(scores: pd.DataFrame, draws: Mapping[str, str]) -> pd.DataFrame:
    """The scores with a column `draw`, the request; draws of one setting share the request's name.

    Draws can differ in how many points they delete. Their rows then have the mean number.
    """
    settings = scores["request"].map(lambda name: draws.get(name, name))
    scores = scores.assign(draw=scores["request"], request=settings)
    if not draws:
        return scores
    steps = scores[[*_REQUEST_STEP, "draw", "rate", "points"]].drop_duplicates()
    for column in ("rate", "points"):
        sizes = steps.groupby(_REQUEST_STEP)[column].agg(["mean", "nunique"]).reset_index()
        sizes = scores[_REQUEST_STEP].merge(sizes, how="left", on=_REQUEST_STEP)
        is_shared = (sizes["nunique"] <= 1).to_numpy()
        scores[column] = scores[column].where(is_shared, sizes["mean"].to_numpy())
    return scores


def without_diverged(selected_rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The selected rows without the values of diverged models, costs included, flags excepted.

    A model that diverged while it was trained loses the values of the learn phase only, because
    retraining may still be sound.
    """
    diverged_rows = scores[(scores["metric"] == "diverged") & (scores["value"] == 1)]
    seed_columns = [*CELL_COLUMNS, "draw", "seed"]
    models = pd.MultiIndex.from_frame(selected_rows[seed_columns])
    is_learn = selected_rows["split"] == "learn"
    is_diverged = pd.Series(False, selected_rows.index)
    for phase, is_in_phase in (("learn", is_learn), ("forget", ~is_learn)):
        diverged_models = pd.MultiIndex.from_frame(
            diverged_rows.loc[diverged_rows["split"] == phase, seed_columns]
        )
        is_diverged |= models.isin(diverged_models) & is_in_phase
    flags = [name for name, metric in METRICS.items() if metric.is_flag]
    is_diverged &= ~selected_rows["metric"].isin(flags)
    return selected_rows.assign(value=selected_rows["value"].mask(is_diverged))
