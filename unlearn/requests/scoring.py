"""Scores of training points by models that were trained on random subsets of them."""

from dataclasses import dataclass

import numpy as np

from unlearn.core import seeding
from unlearn.core.parameters import parameter

FLEET_MODELS = 10
"""Scoring models of one job. Their subsets leave out every point equally often."""

MIN_IN_MODELS = 20
"""Models trained on a point that its memorisation needs."""

MIN_OUT_MODELS = 5
"""Models not trained on a point that its memorisation needs."""

LEVELS = ("high", "mid", "low", "mix")

PROXIES = (None, "loss")


@dataclass(frozen=True)
class ScoringModels:
    """The models that a sampler wants points to be scored by."""

    model: str
    """The architecture, by a name of the study."""
    recipe: str | None
    """How they are trained, by a name of the study; None takes the recipe of the data set."""
    fraction: float
    """The share of base training that each of them is trained on."""
    models: int
    """How many, a multiple of FLEET_MODELS."""


@dataclass(frozen=True)
class PointScores:
    """The scores of the N points of base training."""

    ids: np.ndarray
    """Sorted ids, int64 N."""
    memorisation: np.ndarray
    """P(correct | trained on the point) - P(correct | not), in -1..1, float64 N."""
    loss: np.ndarray
    """Mean cross-entropy of the models trained on the point, nats, float64 N."""
    in_models: np.ndarray
    """Models trained on the point, int64 N."""
    out_models: np.ndarray
    """Models not trained on it, int64 N."""


def point_scores(
    ids: np.ndarray, is_member: np.ndarray, is_correct: np.ndarray, losses: np.ndarray
) -> PointScores:
    """The scores of points from the predictions of K models.

    Args:
        ids: Sorted ids of the N points.
        is_member: Whether a model was trained on a point, K x N.
        is_correct: Whether it predicts the label of the point, K x N.
        losses: The cross-entropy of the point, nats, K x N.

    Returns:
        The scores. A value is NaN where no model was trained on a point, or all were.

    References:
        Feldman, Zhang (2020), What neural networks memorize and why.
    """
    in_models = is_member.sum(axis=0)
    out_models = len(is_member) - in_models
    with np.errstate(invalid="ignore"):
        in_accuracy = (is_correct & is_member).sum(axis=0) / in_models
        out_accuracy = (is_correct & ~is_member).sum(axis=0) / out_models
        loss = np.where(is_member, losses, 0).sum(axis=0, dtype=np.float64) / in_models
    return PointScores(ids, in_accuracy - out_accuracy, loss, in_models, out_models)


def check_models(models: int, fraction: float, proxy: str | None) -> None:
    """ValueError for a number of models that gives no whole fleets, or too few for a point."""
    if models % FLEET_MODELS:
        raise ValueError(
            f"models: {models} is not allowed; allowed: a multiple of {FLEET_MODELS}, which are "
            "trained together"
        )
    fleets = models // FLEET_MODELS
    in_models = fleets * int(FLEET_MODELS * fraction + 1e-9)
    out_models = fleets * int(FLEET_MODELS * (1 - fraction) + 1e-9)
    needs = ((in_models, MIN_IN_MODELS, "are"), (out_models, MIN_OUT_MODELS, "are not"))
    for count, least, verb in needs:
        if proxy is None and count < least:
            raise ValueError(
                f"models: {models} is not allowed; {count} of them {verb} trained on a point at "
                f"fraction: {fraction:g}; allowed: as many as make it {least}"
            )


def models_parameter() -> int:
    """The field `models` of a sampler."""
    text = (
        "Models that score the points: a multiple of 10, such that at least 20 are trained on each "
        "point and 5 are not; 10 are enough for `proxy`."
    )
    return parameter(40, minimum=FLEET_MODELS, maximum=10000, help=text)


def fraction_parameter() -> float:
    """The field `fraction` of a sampler."""
    text = "Share of base training that each scoring model is trained on."
    return parameter(0.7, minimum=0.1, maximum=0.9, help=text)


def model_parameter() -> str:
    """The field `model` of a sampler."""
    text = "The architecture of the scoring models: a name of the study or a registered one."
    return parameter("cnn1", help=text)


def recipe_parameter() -> str | None:
    """The field `recipe` of a sampler."""
    text = "The recipe of the scoring models; null takes that of the model, then of the data set."
    return parameter(None, help=text)


def proxy_parameter() -> str | None:
    """The field `proxy` of a sampler."""
    text = (
        "null scores by memorisation, `loss` by the mean loss of the models trained on the point, "
        "which is cheap and takes hard points for memorised ones."
    )
    return parameter(None, choices=PROXIES, help=text)


def seed_parameter() -> int:
    """The field `seed` of a sampler."""
    return parameter(0, minimum=0, help="The draw among points of equal score.")


def ranking(
    scores: PointScores | None, base_ids: np.ndarray, *, level: str, proxy: str | None, seed: int
) -> np.ndarray:
    """The ids of base training, those that a level asks for first.

    Args:
        scores: The scores; None where nobody has made them.
        base_ids: Sorted ids of base training.
        level: `high`, `mid` (nearest to a memorisation of .5, or to the median loss), `low` (where
            a memorisation below 0 counts as 0), or `mix`: a high, a mid and a low one in turn.
        proxy: None for memorisation, or `loss`.
        seed: Decides the order of points of equal score.

    Raises:
        ValueError: Scores that are missing, not finite, or of other points.
    """
    if scores is None:
        raise ValueError("the points have no scores; they come from rule `memorisation`")
    if not np.array_equal(scores.ids, base_ids):
        raise ValueError("the scores are of other points than those in base training")
    values = scores.memorisation if proxy is None else scores.loss
    if not np.isfinite(values).all():
        lost_id = base_ids[~np.isfinite(values)][0]
        raise ValueError(f"point {lost_id} has no score; allowed: more scoring models")
    order = seeding.shuffled(np.arange(len(base_ids)), seeding.derive(seed, "equal scores"))
    centre = 0.5 if proxy is None else np.median(values)
    # below 0 lies the noise of points that few models know
    lowest_first = np.maximum(values, 0)
    keys = {"high": -values, "mid": np.abs(values - centre), "low": lowest_first}
    orders = {name: order[np.argsort(key[order], kind="stable")] for name, key in keys.items()}
    if level != "mix":
        return base_ids[orders[level]]
    turns = np.stack(list(orders.values()), axis=1).ravel()
    _, places = np.unique(turns, return_index=True)
    return base_ids[turns[np.sort(places)]]
