"""RMIA: membership by comparison with points of the population, from 1 to 4 reference models.

The likelihood ratio of a point is the probability of its label under the target, divided by the
same under models in general. The score is the share of population points with a lower ratio.

References:
    Zarifzadeh et al., Low-cost high-power membership inference attacks, ICML 2024.
"""

import numpy as np

from unlearn.metrics.finding import Finding
from unlearn.metrics.membership import roc_auc

A_GRID = tuple(round(0.1 * step, 1) for step in range(11))
"""Values of `a` that `choose_a` compares."""


def rmia_scores(
    target: np.ndarray,
    references: np.ndarray,
    population_target: np.ndarray,
    population_references: np.ndarray,
    a: float,
) -> np.ndarray:
    """Share of population points whose likelihood ratio is below that of a point.

    No reference was trained on the points or on the population. Where some were, give the row of
    `out_means` for `references`.

    Args:
        target: N_t targets x P points, probabilities of the labels.
        references: k models x P points, the same.
        population_target: N_t targets x Z population points, the same.
        population_references: k models x Z population points, the same.
        a: in 0..1, how the mean probability of models without a point estimates that of all
            models: ((1 + a) p_out + 1 - a) / 2. See `choose_a`.

    Returns:
        N_t x P scores, in 0..1; equal ratios count a half.
    """
    if not 0 <= a <= 1:
        raise ValueError(f"a {a}: allowed are 0 to 1")
    _check(target, references, "points")
    _check(population_target, population_references, "population points")
    if len(target) != len(population_target):
        raise ValueError(f"{len(target)} targets, {len(population_target)} with a population")
    ratios = _ratios(target, references, a)
    ranked_ratios = np.sort(_ratios(population_target, population_references, a), axis=1)
    scores = np.empty(ratios.shape)
    for row, population_row in enumerate(ranked_ratios):
        below = np.searchsorted(population_row, ratios[row])
        below_or_equal = np.searchsorted(population_row, ratios[row], "right")
        scores[row] = (below + below_or_equal) / (2 * population_row.size)
    return scores


def out_means(references: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Mean probability of every point over the references that were not trained on it.

    Args:
        references: k models x P points, probabilities of the labels.
        membership: k x P booleans, whether a model was trained on a point.

    Returns:
        1 x P, to be used as the one reference of `rmia_scores`.
    """
    if membership.shape != references.shape:
        raise ValueError(f"membership {membership.shape}: allowed is {references.shape}")
    counts = (~membership).sum(axis=0)
    if not counts.all():
        raise ValueError(
            f"{int((counts == 0).sum())} of {counts.size} points have been trained on by all "
            f"{len(references)} references; each point needs one that was not"
        )
    sums = np.where(membership, 0, references).sum(axis=0, dtype=np.float64)
    return (sums / counts)[None]


def choose_a(references: np.ndarray, membership: np.ndarray, population: np.ndarray) -> Finding:
    """The `a` with which references, each taken as the target once, are attacked best.

    The choice reads no audited model. Each reference is attacked with the help of the others, at
    points that one of these was not trained on.

    Args:
        references: k models x P points, probabilities of the labels.
        membership: k x P booleans, whether a model was trained on a point.
        population: k models x Z points that none was trained on, the same.

    Returns:
        The best of `A_GRID` by the mean area under the ROC curve, the lowest of equally good ones;
        `n` is the number of references that served as a target. None where none can serve.
    """
    if membership.shape != references.shape:
        raise ValueError(f"membership {membership.shape}: allowed is {references.shape}")
    areas = [
        area
        for held_out in range(len(references))
        if (area := _areas(references, membership, population, held_out)) is not None
    ]
    if not areas:
        return Finding(None, reason="no reference has members that another was not trained on")
    return Finding(A_GRID[int(np.argmax(np.mean(areas, axis=0)))], n=len(areas))


def _areas(
    references: np.ndarray, membership: np.ndarray, population: np.ndarray, held_out: int
) -> np.ndarray | None:
    """The area of the attack on one reference for every `a`; None where it cannot be attacked."""
    others = np.arange(len(references)) != held_out
    points = ~membership[others].all(axis=0)
    is_member = membership[held_out, points]
    if not is_member.any() or is_member.all():
        return None
    target = references[held_out, points][None]
    means = out_means(references[others][:, points], membership[others][:, points])
    areas = []
    for a in A_GRID:
        scores = rmia_scores(target, means, population[held_out][None], population[others], a)[0]
        areas.append(roc_auc(scores[is_member], scores[~is_member]).value)
    return np.array(areas)


def _ratios(target: np.ndarray, references: np.ndarray, a: float) -> np.ndarray:
    """Probabilities under the target over those under models in general; 0 / 0 counts as 1."""
    general = ((1 + a) * references.mean(axis=0, dtype=np.float64) + (1 - a)) / 2
    general = np.broadcast_to(general, target.shape)
    ratios = np.where(target > 0, np.inf, 1.0)
    return np.divide(target, general, out=ratios, where=general > 0)


def _check(target: np.ndarray, references: np.ndarray, name: str) -> None:
    """Raises ValueError where probabilities have no references, or are not probabilities."""
    if target.shape[1:] != references.shape[1:] or not references.size:
        raise ValueError(
            f"{name}: targets {target.shape}, references {references.shape}; needed are at least "
            "one model and one point, and as many points of both"
        )
    for values in (target, references):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name}: a probability is not in 0..1")
