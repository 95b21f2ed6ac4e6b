"""Memorisation and influence of training points, by differences of means over models.

References:
    Feldman and Zhang, What neural networks memorize and why, NeurIPS 2020.
"""

import numpy as np

from unlearn.metrics.finding import Finding

MIN_MEMBER_MODELS = 20
"""A point has no value with fewer models that trained on it."""

MIN_NONMEMBER_MODELS = 5
"""A point has no value with fewer models that did not train on it."""


def label_probabilities(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability of the label of each point under each model, models x P, float64.

    `logits` models x P x C, `labels` P.
    """
    z = logits - logits.max(axis=-1, keepdims=True).astype(np.float64)
    label_logits = np.take_along_axis(z, labels[None, :, None], axis=-1)[..., 0]
    return np.exp(label_logits) / np.exp(z).sum(axis=-1)


def memorisation(probabilities: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """How much more probable a point's label is to models that trained on the point, P, in -1..1.

    It is the mean over models that trained on the point, less the mean over those that did not.

    Args:
        probabilities: of the labels, models x P; see `label_probabilities`. Shares of correct
            predictions, 0 or 1, do as well.
        membership: models x P; True where the model trained on the point.

    Returns:
        A value for each point. NaN below `MIN_MEMBER_MODELS` models that trained on it, or
        `MIN_NONMEMBER_MODELS` that did not.

    Raises:
        ValueError: The shapes differ, `membership` is not boolean, or a probability is not in 0..1.
    """
    _check_probabilities(probabilities, "probabilities")
    if membership.shape != probabilities.shape:
        shapes = [" x ".join(map(str, array.shape)) for array in (membership, probabilities)]
        raise ValueError(f"membership: {shapes[0]}; allowed is the {shapes[1]} of probabilities")
    if membership.dtype != bool:
        raise ValueError(f"membership: {membership.dtype}; allowed is bool")
    member_counts = membership.sum(axis=0)
    nonmember_counts = len(membership) - member_counts
    member_sums = np.where(membership, probabilities, 0).sum(axis=0, dtype=np.float64)
    nonmember_sums = np.where(membership, 0, probabilities).sum(axis=0, dtype=np.float64)
    difference = member_sums / np.maximum(member_counts, 1)
    difference -= nonmember_sums / np.maximum(nonmember_counts, 1)
    has_models = member_counts >= MIN_MEMBER_MODELS
    has_models &= nonmember_counts >= MIN_NONMEMBER_MODELS
    return np.where(has_models, difference, np.nan)


def influence(member_probabilities: np.ndarray, nonmember_probabilities: np.ndarray) -> np.ndarray:
    """How much more probable labels are to models that trained on a set of points, P, in -1..1.

    For the points of the set itself this is their joint memorisation. For another split it is the
    influence of the set on it: pass originals as members and oracles as nonmembers.

    Args:
        member_probabilities: of the labels of P points, under models that trained on the set.
        nonmember_probabilities: the same under models that did not.

    Returns:
        A value for each point; all NaN where `memorisation` has too few models.

    Raises:
        ValueError: The groups differ in their points, or a probability is not in 0..1.
    """
    _check_probabilities(member_probabilities, "member_probabilities")
    _check_probabilities(nonmember_probabilities, "nonmember_probabilities")
    points = [group.shape[1] for group in (member_probabilities, nonmember_probabilities)]
    if points[0] != points[1]:
        raise ValueError(f"influence: {points[0]} and {points[1]} points; allowed is one set")
    groups = (member_probabilities, nonmember_probabilities)
    membership = np.repeat([True, False], [len(group) for group in groups])
    return memorisation(
        np.concatenate(groups), np.broadcast_to(membership[:, None], (len(membership), points[0]))
    )


def mean_difference(differences: np.ndarray, models: int) -> Finding:
    """The mean over the points with a value; None with the reason where no point has one.

    `differences` P, of `memorisation` or `influence`; `models` is the number of models behind them.
    """
    if not len(differences):
        return Finding(None, n=models, reason="no points")
    has_value = ~np.isnan(differences)
    if not has_value.any():
        minima = f"{MIN_MEMBER_MODELS} models that trained on it and {MIN_NONMEMBER_MODELS} others"
        return Finding(None, n=models, reason=f"no point has {minima}")
    return Finding(float(differences[has_value].mean()), n=models)


def _check_probabilities(probabilities: np.ndarray, name: str) -> None:
    """Raise ValueError unless these are models x points, in 0..1."""
    if probabilities.ndim != 2:
        shape = " x ".join(map(str, probabilities.shape))
        raise ValueError(f"{name}: {shape}; allowed is models x points")
    is_wrong = ~((probabilities >= 0) & (probabilities <= 1 + 1e-6))
    if is_wrong.any():
        raise ValueError(f"{name}: {probabilities[is_wrong][0]}; allowed is 0..1")
