"""How far the models of an audit are from oracles, as distributions over models.

Each metric compares the audited models with half A of the oracles. Intervals are over models, by a
jackknife of groups of them. The floor of each is half B against half A.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from unlearn.metrics.agreement import agreement, zero_retrain_forgetting
from unlearn.metrics.finding import Finding
from unlearn.metrics.forgetting_quality import (
    challenge_score,
    epsilons,
    forgetting_quality,
    points,
)
from unlearn.metrics.jackknife import jackknife_difference, jackknife_finding
from unlearn.metrics.klom import gaussian_klom, histogram_klom
from unlearn.metrics.populations import Populations
from unlearn.metrics.statistics import t_interval

MIN_MODELS = 4
"""Models a side that KLoM needs: standard deviations of fewer are noise."""

OfMargins = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Values of points, P, from margins of unlearned models and of oracles, models x P."""


# -- KLoM


def klom_mean(populations: Populations, split: str) -> Finding:
    """Mean over points of KL(unlearned || oracle) of Gaussians fitted to the margins."""
    return _klom(populations, split, gaussian_klom, np.mean)


def klom_high(populations: Populations, split: str) -> Finding:
    """The 95th percentile over points of KL(unlearned || oracle) of Gaussians."""
    return _klom(populations, split, gaussian_klom, _high)


def klom_low(populations: Populations, split: str) -> Finding:
    """The 5th percentile over points of KL(unlearned || oracle) of Gaussians."""
    return _klom(populations, split, gaussian_klom, _low)


def klom_reverse(populations: Populations, split: str) -> Finding:
    """Mean over points of KL(oracle || unlearned) of Gaussians."""
    return _klom(populations, split, lambda first, second: gaussian_klom(second, first), np.mean)


def klom_histogram(populations: Populations, split: str) -> Finding:
    """Mean over points of KL(unlearned || oracle) of histograms of 20 bins."""
    return _klom(populations, split, histogram_klom, np.mean)


def klom_histogram_high(populations: Populations, split: str) -> Finding:
    """The 95th percentile over points of KL(unlearned || oracle) of histograms.

    Without a difference to doing nothing: histograms take most of an audit's time.
    """
    finding = _too_few(populations)
    if finding is not None:
        return finding

    def statistic(unlearned: np.ndarray, oracles: np.ndarray) -> float:
        return float(_high(histogram_klom(unlearned, oracles)))

    return jackknife_finding(statistic, *_margins(populations, split), minimum=0)


def klom_points(populations: Populations) -> np.ndarray | None:
    """KL(unlearned || oracle) of Gaussians at each deleted point."""
    if _smaller_size(populations) < MIN_MODELS:
        return None
    return gaussian_klom(*_margins(populations, "forget"))


def _klom(
    populations: Populations, split: str, form: OfMargins, summary: Callable[[np.ndarray], float]
) -> Finding:
    """A summary over points of a form of KLoM, with its interval.

    Args:
        populations: The models.
        split: Whose points.
        form: The divergence of each point.
        summary: Of the values of all points.
    """
    finding = _too_few(populations)
    if finding is not None:
        return finding

    def statistic(unlearned: np.ndarray, oracles: np.ndarray) -> float:
        return float(summary(form(unlearned, oracles)))

    margins = partial(populations.margins, split=split)
    return _compared(populations, statistic, margins, minimum=0)


def _too_few(populations: Populations) -> Finding | None:
    """The finding of populations that are too small for KLoM."""
    size = _smaller_size(populations)
    if size >= MIN_MODELS:
        return None
    return Finding(None, n=size, reason=f"{size} models; KLoM needs {MIN_MODELS}")


def _high(values: np.ndarray) -> float:
    return np.percentile(values, 95)


def _low(values: np.ndarray) -> float:
    return np.percentile(values, 5)


# -- the quality of the NeurIPS 2023 challenge


def epsilon_mean(populations: Populations, split: str) -> Finding:
    """Mean over deleted points of the epsilon of the best single threshold."""

    def statistic(unlearned: np.ndarray, oracles: np.ndarray) -> float | None:
        values = epsilons(unlearned, oracles)
        return None if np.isnan(values).all() else float(np.nanmean(values))

    return _compared(
        populations, statistic, partial(populations.margins, split="forget"), minimum=0
    )


def forgetting_quality_mean(populations: Populations, split: str) -> Finding:
    """F, the mean of what the points earn for their epsilon."""
    margins = _margins(populations, "forget")
    finding = forgetting_quality(*margins)
    if finding.value is None:
        return finding

    def statistic(unlearned: np.ndarray, oracles: np.ndarray) -> float | None:
        earned = points(epsilons(unlearned, oracles), min(len(unlearned), len(oracles)))
        return None if np.isnan(earned).all() else float(np.nanmean(earned))

    return _compared(
        populations, statistic, partial(populations.margins, split="forget"), minimum=0, maximum=1
    )


def forgetting_score(populations: Populations, split: str) -> Finding:
    """F times the ratios of the accuracies on retained and on test points."""
    if "retain" not in populations.rows:
        return Finding(None, reason="no retained points")
    accuracies = {
        name: tuple(
            float(_accuracies(populations, group, name).mean())
            for group in ("unlearned", "reference")
        )
        for name in ("retain", "test")
    }
    quality = populations.shared(forgetting_quality_mean, "forget")
    return challenge_score(quality, accuracies["retain"], accuracies["test"])


def epsilon_points(populations: Populations) -> np.ndarray:
    """The epsilon of each deleted point; NaN where no rule counts."""
    return epsilons(*_margins(populations, "forget"))


# -- differences of means


def influence_mean(populations: Populations, split: str) -> Finding:
    """Mean over points of how much more probable the label is than to oracles."""
    return _compared(
        populations,
        _difference_of_means,
        lambda group: populations.probabilities(group, split),
    )


def influence_points(populations: Populations) -> np.ndarray:
    """How much more probable each deleted point's label is than to oracles."""
    means = [
        populations.probabilities(group, "forget").mean(axis=0)
        for group in ("unlearned", "reference")
    ]
    return means[0] - means[1]


def accuracy_shift(populations: Populations, split: str) -> Finding:
    """Mean accuracy less that of oracles."""
    return _compared(
        populations, _difference_of_means, lambda group: _accuracies(populations, group, split)
    )


def agreement_mean(populations: Populations, split: str) -> Finding:
    """Mean share of points that an audited model and an oracle give to one class."""
    pairs = zip(
        populations.split_logits("reference", split),
        populations.split_logits("unlearned", split),
        strict=False,
    )
    return _mean_of_models([agreement(*pair) for pair in pairs])


def zrf_mean(populations: Populations, split: str) -> Finding:
    """Mean zero-retrain forgetting: closeness to networks that are not trained."""
    random_logits = list(populations.split_logits("random", "forget"))
    return _mean_of_models(
        [
            zero_retrain_forgetting(logits, random_logits)
            for logits in populations.split_logits("unlearned", "forget")
        ]
    )


# -- what they share


def _compared(
    populations: Populations,
    statistic: Callable[[np.ndarray, np.ndarray], float | None],
    outputs: Callable[[str], np.ndarray],
    minimum: float = -np.inf,
    maximum: float = np.inf,
) -> Finding:
    """A statistic of audited models and oracles, with its difference to that of the originals.

    Args:
        populations: The models.
        statistic: Of a fleet and the oracles.
        outputs: What it is computed from: an array of models x points, or of models, of a group.
        minimum: No value is below.
        maximum: No value is above.
    """
    unlearned, reference = outputs("unlearned"), outputs("reference")
    finding = jackknife_finding(statistic, unlearned, reference, minimum=minimum, maximum=maximum)
    if finding.value is None or populations.is_original:
        return finding
    difference = jackknife_difference(statistic, unlearned, outputs("originals"), reference)
    return replace(finding, difference=difference)


def _difference_of_means(first: np.ndarray, second: np.ndarray) -> float:
    return float(first.mean() - second.mean())


def _margins(populations: Populations, split: str) -> tuple[np.ndarray, np.ndarray]:
    return populations.margins("unlearned", split), populations.margins("reference", split)


def _smaller_size(populations: Populations) -> int:
    return min(populations.size("unlearned"), populations.size("reference"))


def _accuracies(populations: Populations, group: str, split: str) -> np.ndarray:
    """The accuracy of each model of a group."""
    classes = populations.split_logits(group, split).argmax(axis=2)
    return (classes == populations.split_labels(split)).mean(axis=1)


def _mean_of_models(values: list[float]) -> Finding:
    """The mean over independent models, with its t interval."""
    interval = t_interval(np.array(values))
    if np.isnan(interval.low):
        return Finding(float(interval.mean), n=interval.n)
    error = float(np.std(values, ddof=1) / np.sqrt(interval.n))
    return Finding(*map(float, interval[:3]), error=error, n=interval.n)
