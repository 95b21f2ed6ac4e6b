"""An audit from below: how far apart two laws are for sure, from runs of both.

A test flags runs with scores on one side of a threshold. One half of the runs chooses the test, the
other half gives its rates. So a bound of certificates that lies below this one is refuted.

References:
    Nasr et al., Tight auditing of differentially private machine learning, 2023.
    Clopper, Pearson, The use of confidence or fiducial limits, 1934.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from unlearn.certificates.limits import check_probability

RATE_TAIL = 0.025
"""The probability that a bound of one rate fails; those of two rates hold together at 95 %."""

CHOICE_TAIL = 1e-4
"""The same while tests are compared: many are, and rates in the tails vary most."""

MIN_RUNS = 4
"""Fewer runs of a law cannot be halved."""


class Rates(NamedTuple):
    """Bounds on the rates at which a test flags the runs of two laws."""

    unlearned_low: np.ndarray
    """At least this share of runs of unlearning is flagged."""
    reference_high: np.ndarray
    """At most this share of runs of the reference is flagged."""


def mu_lower_bound(reference_scores: np.ndarray, unlearned_scores: np.ndarray) -> float:
    """The mu that two laws are apart at least, with a confidence of 95 %; at least 0.

    Args:
        reference_scores: a number of each run of the reference, any number of independent runs.
        unlearned_scores: the same of runs of unlearning.

    Raises:
        ValueError: fewer than `MIN_RUNS` runs, or a score that is not finite.
    """
    return _lower_bound(reference_scores, unlearned_scores, _mu)


def epsilon_lower_bound(
    reference_scores: np.ndarray, unlearned_scores: np.ndarray, delta: float
) -> float:
    """The epsilon at `delta` that two laws are apart at least, at 95 %; at least 0.

    Weaker than `mu_lower_bound`, because one test at one delta decides.

    Args:
        reference_scores: a number of each run of the reference, any number of independent runs.
        unlearned_scores: the same of runs of unlearning.
        delta: between 0 and 1.

    Raises:
        ValueError: fewer than `MIN_RUNS` runs, or a score that is not finite.
    """
    check_probability("delta", delta)
    return _lower_bound(reference_scores, unlearned_scores, lambda rates: _epsilon(rates, delta))


def _lower_bound(
    reference_scores: np.ndarray,
    unlearned_scores: np.ndarray,
    distance: Callable[[Rates], np.ndarray],
) -> float:
    """A distance by the test that has the largest one on the other half of the runs."""
    reference = _halves("reference_scores", reference_scores)
    unlearned = _halves("unlearned_scores", unlearned_scores)
    best_sign = 1
    best_threshold = np.inf
    best_distance = -np.inf
    for sign in (1, -1):
        thresholds = np.unique(sign * np.concatenate([reference[0], unlearned[0]]))
        distances = distance(
            _rates(sign * reference[0], sign * unlearned[0], thresholds, CHOICE_TAIL)
        )
        best = int(np.argmax(distances))
        if distances[best] > best_distance:
            best_sign = sign
            best_threshold = thresholds[best]
            best_distance = distances[best]
    threshold = np.array([best_threshold])
    rates = _rates(best_sign * reference[1], best_sign * unlearned[1], threshold, RATE_TAIL)
    return max(0.0, float(distance(rates)[0]))


def _halves(name: str, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs at even places, which choose, and those at odd places."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < MIN_RUNS or not np.isfinite(scores).all():
        raise ValueError(
            f"{name}: an array of shape {scores.shape} is not allowed; "
            f"allowed: finite numbers, one a run, of at least {MIN_RUNS} runs"
        )
    return scores[::2], scores[1::2]


def _rates(
    reference: np.ndarray, unlearned: np.ndarray, thresholds: np.ndarray, tail: float
) -> Rates:
    """The rates of the tests that flag what is at or above each threshold.

    A bound fails with probability `tail`.
    """
    from scipy.stats import beta

    flagged = _flagged(unlearned, thresholds)
    low = beta.ppf(tail, flagged, len(unlearned) - flagged + 1)
    wrongly_flagged = _flagged(reference, thresholds)
    high = beta.isf(tail, wrongly_flagged + 1, len(reference) - wrongly_flagged)
    return Rates(
        unlearned_low=np.where(flagged == 0, 0.0, low),
        reference_high=np.where(wrongly_flagged == len(reference), 1.0, high),
    )


def _flagged(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many scores lie at or above each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _mu(rates: Rates) -> np.ndarray:
    """Gaussian laws that far apart have a test with these rates."""
    from scipy.special import ndtri

    with np.errstate(invalid="ignore"):
        distances = ndtri(rates.unlearned_low) - ndtri(rates.reference_high)
    return np.nan_to_num(distances, nan=-np.inf, neginf=-np.inf)


def _epsilon(rates: Rates, delta: float) -> np.ndarray:
    """The larger epsilon of the flagged runs and of all others."""
    with np.errstate(divide="ignore"):
        flagged = np.log(np.maximum(rates.unlearned_low - delta, 0)) - np.log(rates.reference_high)
        others = np.log(np.maximum(1 - rates.reference_high - delta, 0))
    return np.maximum(flagged, others - np.log1p(-rates.unlearned_low))
