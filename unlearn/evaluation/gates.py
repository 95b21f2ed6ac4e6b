"""Gates: what makes the scores of a cell worthless, or calls for a second look.

Every gate is a function that returns the reason why it is violated, or None. `cell_gates` applies
them to a cell. Gates that only a table can judge lie in `controls`, those that only a job can judge
in `jobs.guards`.
"""

import math
from collections.abc import Sequence

import numpy as np

from unlearn.metrics.catalogue import METRICS

MAX_NOOP_LOGIT = 1e-6
"""The largest difference of a logit that still counts as none."""

MAX_RETAIN_DEFICIT = 0.05
"""Accuracy on the retain set below that on test points that a trained model cannot have."""

MAX_ORACLE_DEFICIT = 0.02
"""Retain accuracy that an oracle may lose to the original."""

MAX_DEVIATIONS = 3.0
"""Standard deviations of oracles by which a method may go beyond them."""

MAX_LOSS_RATIO = 3.0
"""Loss on deleted points as a multiple of the oracle's."""

MAX_CLASS_SHARE = 0.9
"""Share of test points that one class may be predicted for."""

MAX_COLLAPSED_ACCURACY = 0.6
"""Retain accuracy above which no model counts as collapsed, however few classes there are."""

CHANCE_ERRORS = 2.0
"""Standard errors above chance from which on test accuracy shows that something was learned."""

MIN_ORACLES = 3
"""Oracles that a standard deviation is taken of."""

ROUNDING = 1e-6
"""By how much rounding may put a value outside its range."""


def untrained_base(retain: float | None, test: float, chance: float, points: int) -> str | None:
    """Whether the trained models have learned nothing that test points show.

    Args:
        retain: mean accuracy of the originals on the retain set; None without one.
        test: mean accuracy on test points.
        chance: the accuracy of a guess.
        points: the number of test points.
    """
    limit = chance + CHANCE_ERRORS * math.sqrt(chance * (1 - chance) / points)
    if test <= limit:
        return f"the original's test accuracy {test:.3f} is at chance, {chance:.3f}"
    if retain is not None and retain < test - MAX_RETAIN_DEFICIT:
        return f"the original's retain accuracy {retain:.3f} is below its test accuracy {test:.3f}"
    return None


def no_op(logits: np.ndarray, original_logits: np.ndarray) -> list[int]:
    """The members of a fleet whose outputs are those of the original, by number.

    Both K x P x C, of the same points. A member that is not finite does not count.
    """
    with np.errstate(invalid="ignore"):  # inf - inf
        distances = np.abs(logits - original_logits).max(axis=(1, 2), initial=0.0)
    return [member for member, distance in enumerate(distances) if distance < MAX_NOOP_LOGIT]


def not_finite(metric: str, split: str, value: float | None) -> str | None:
    """Whether a value of a sound model is no finite number."""
    if value is None or math.isfinite(value):
        return None
    return f"{metric}/{split} is {value}"


def out_of_range(metric: str, split: str, value: float | None, points: int | None) -> str | None:
    """Whether a value cannot come from a sound computation.

    Args:
        metric: the metric.
        split: its split.
        value: its value.
        points: the number of points of the split; None for splits without points.
    """
    if value is None or metric not in METRICS:
        return None
    low, high = METRICS[metric].limits
    if not low - ROUNDING <= value <= high + ROUNDING:
        return f"{metric}/{split} is {value:g}; allowed: {low:g} .. {high:g}"
    if metric == "accuracy" and points and abs(value * points - round(value * points)) > ROUNDING:
        return f"accuracy/{split} is {value!r}, no share of {points} points"
    return None


def contaminated_oracle(members: Sequence[object], oracle_members: Sequence[object]) -> str | None:
    """Whether an oracle was retrained from other members than the trained fleet has.

    Args:
        members: seed and digest of the training ids of each member of the trained fleet.
        oracle_members: the same of the oracle.
    """
    if list(members) == list(oracle_members):
        return None
    return f"the oracle has the members {oracle_members}, the trained fleet {members}"


def oracle_quality(oracle: float, original: float) -> str | None:
    """Whether an oracle is worse on the retain set than the original was. Mean accuracies."""
    if oracle >= original - MAX_ORACLE_DEFICIT:
        return None
    return f"the oracle's retain accuracy {oracle:.3f} is below the original's, {original:.3f}"


def broken_oracle(oracle: float, original: float, chance: float) -> str | None:
    """Whether an oracle is nearer to a guess on the retain set than to the original.

    Mean accuracies. An original that is at chance itself says nothing about an oracle.
    """
    if original <= 2 * chance or oracle > (original + chance) / 2:
        return None
    return f"the oracle's retain accuracy {oracle:.3f} is nearer to chance than {original:.3f}"


def seed_collision(seeds: Sequence[int], logits: np.ndarray) -> str | None:
    """Whether two members of a fleet are one model.

    Args:
        seeds: the seeds of the K members.
        logits: K x P x C of the trained models; members that are not finite do not count.
    """
    if len(set(seeds)) < len(seeds):
        return f"two members share a seed: {list(seeds)}"
    seeds_by_output: dict[bytes, int] = {}
    for seed, outputs in zip(seeds, logits, strict=True):
        if np.isfinite(outputs).all():
            first = seeds_by_output.setdefault(np.ascontiguousarray(outputs).tobytes(), seed)
            if first != seed:
                return f"seeds {first} and {seed} gave the same model, to the bit"
    return None


def over_unlearning(
    value: float, oracle_values: Sequence[float], original: float, resolution: float
) -> str | None:
    """Whether a method goes beyond the oracle, on the side away from the original.

    Args:
        value: a mean of the method.
        oracle_values: the values of the oracles, one for each seed.
        original: the mean of doing nothing.
        resolution: the smallest difference that points can show.
    """
    if len(oracle_values) < MIN_ORACLES:
        return None
    oracle = float(np.mean(oracle_values))
    deviation = max(float(np.std(oracle_values, ddof=1)), resolution)
    excess = (oracle - value) * np.sign(original - oracle)
    if excess <= MAX_DEVIATIONS * deviation:
        return None
    return f"{value:.3f}, {excess / deviation:.1f} standard deviations beyond oracle's {oracle:.3f}"


def excessive_loss(loss: float, oracle_loss: float) -> str | None:
    """Whether the loss on deleted points is a multiple of the oracle's."""
    if loss <= MAX_LOSS_RATIO * oracle_loss:
        return None
    return (
        f"forget loss {loss:.3g} is over {MAX_LOSS_RATIO:g} times the oracle's, {oracle_loss:.3g}"
    )


def collapse(retain: float | None, test_logits: np.ndarray) -> str | None:
    """Whether a model has lost what it knew.

    Args:
        retain: its accuracy on the retain set; None without one.
        test_logits: N x C, its outputs for test points.
    """
    classes = test_logits.shape[1]
    limit = min(2 / classes, MAX_COLLAPSED_ACCURACY)
    if retain is not None and retain < limit:
        return f"retain accuracy {retain:.3f} is below {limit:.3f}"
    counts = np.bincount(test_logits.argmax(axis=1), minlength=classes)
    share = counts.max() / len(test_logits)
    if share > MAX_CLASS_SHARE:
        return f"class {counts.argmax()} is predicted for {share:.0%} of test points"
    return None


def twins(count: int) -> str | None:
    """Near-duplicates of deleted points that are left: the model still learns what these taught."""
    if not count:
        return None
    return f"{count} deleted points have a near-duplicate among the retained ones"
