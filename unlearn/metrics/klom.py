"""KLoM: how far the margins of unlearned models are from those of oracles, point by point.

The margin of a point under a model is the log-odds of its label; see `margins`. All functions take
margins of N unlearned models and M oracles, N x P and M x P for P points. Swap the fleets for the
other direction: `gaussian_klom(oracles, unlearned)` is KL(oracle || unlearned).

Even oracles have a KLoM against other oracles, about 2 / N in the Gaussian form. Print it beside
every value, from as many models. Values of different N cannot be compared.

References:
    Georgiev et al., Attribute-to-Delete: machine unlearning via datamodel matching, 2024.
"""

import numpy as np

from unlearn.metrics.accuracy import log_odds_against
from unlearn.metrics.finding import Finding

MIN_SIGMA = 1e-3
"""Standard deviations of margins below this one, in nats, are raised to it."""

MIN_MODELS = 2
"""A standard deviation needs two models a fleet."""

HISTOGRAM_MIN_MODELS = 200
"""From so many models a fleet the histogram form is the default."""

MARGIN_BOUND = 100.0
"""The histogram form clips margins to this absolute value, in nats."""

MIN_PROBABILITY = 1e-5
"""The histogram form raises smaller probabilities of the reference to this one."""

BLOCK_POINTS = 8192
"""The number of points whose histograms are in memory at once."""


def margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Margins z_y - logsumexp of the other logits, N x P float64.

    `logits` N x P x C of N models, `labels` P.
    """
    return np.stack([-log_odds_against(model_logits, labels) for model_logits in logits])


def check_margins(unlearned_margins: np.ndarray, oracle_margins: np.ndarray) -> None:
    """Raise ValueError unless both fleets have finite margins of the same points."""
    fleets = {"unlearned": unlearned_margins, "oracle": oracle_margins}
    for name, fleet in fleets.items():
        if fleet.ndim != 2:
            shape = " x ".join(map(str, fleet.shape))
            raise ValueError(f"margins of the {name} fleet: {shape}; allowed is models x points")
        models = np.flatnonzero(~np.isfinite(fleet).all(axis=1))
        if len(models):
            raise ValueError(
                f"margins of {name} model {models[0]}: not finite; leave out models that diverged"
            )
    sizes = [fleet.shape[1] for fleet in fleets.values()]
    if sizes[0] != sizes[1]:
        raise ValueError(f"margins: {sizes[0]} and {sizes[1]} points; allowed is one set of points")


def gaussian_klom(unlearned_margins: np.ndarray, oracle_margins: np.ndarray) -> np.ndarray:
    """KL(unlearned || oracle) of Gaussians fitted to the margins of each point, P, in nats.

    ln(s_R / s_u) + (s_u^2 + (m_u - m_R)^2) / (2 s_R^2) - 1/2 with means m and unbiased standard
    deviations s, at least `MIN_SIGMA`. NaN for a fleet of fewer than two models.

    Raises:
        ValueError: A margin is not finite, or the fleets differ in their points.
    """
    check_margins(unlearned_margins, oracle_margins)
    if min(len(unlearned_margins), len(oracle_margins)) < MIN_MODELS:
        return np.full(unlearned_margins.shape[1], np.nan)
    shift = unlearned_margins.mean(axis=0, dtype=np.float64)
    shift -= oracle_margins.mean(axis=0, dtype=np.float64)
    sigma = np.maximum(unlearned_margins.std(axis=0, ddof=1, dtype=np.float64), MIN_SIGMA)
    oracle_sigma = np.maximum(oracle_margins.std(axis=0, ddof=1, dtype=np.float64), MIN_SIGMA)
    ratio = np.log(oracle_sigma / sigma)
    return np.maximum(ratio + (sigma**2 + shift**2) / (2 * oracle_sigma**2) - 0.5, 0.0)


def histogram_klom(
    unlearned_margins: np.ndarray,
    oracle_margins: np.ndarray,
    *,
    bins: int = 20,
    compat: bool = False,
) -> np.ndarray:
    """KL(unlearned || oracle) of histograms of the margins of each point, P, in nats.

    The bins of a point have equal width and cover the joint range of both fleets after clipping.
    The value is at most -ln `MIN_PROBABILITY` = 11.51.

    Args:
        unlearned_margins: N x P.
        oracle_margins: M x P.
        bins: The number of bins.
        compat: Drop margins at the upper end of the joint range, as both published releases do.
            Without it they belong to the last bin.

    Raises:
        ValueError: A margin is not finite, the fleets differ in their points, or a fleet is empty.
    """
    check_margins(unlearned_margins, oracle_margins)
    if bins < 1:
        raise ValueError(f"bins: {bins}; allowed is 1 or more")
    if not len(unlearned_margins) or not len(oracle_margins):
        raise ValueError("histogram_klom: a fleet without models; allowed is 1 model or more")
    values = np.empty(unlearned_margins.shape[1])
    for start in range(0, len(values), BLOCK_POINTS):
        block = slice(start, start + BLOCK_POINTS)
        fleets = (unlearned_margins[:, block], oracle_margins[:, block])
        values[block] = _histogram_divergence(*fleets, bins, compat)
    return values


def klom(unlearned_margins: np.ndarray, oracle_margins: np.ndarray) -> np.ndarray:
    """KL(unlearned || oracle) of each point, P, in nats: the form that suits the fleets.

    It is the Gaussian form below `HISTOGRAM_MIN_MODELS` models in the smaller fleet, and the
    histogram form from there on.
    """
    models = min(len(unlearned_margins), len(oracle_margins))
    form = gaussian_klom if models < HISTOGRAM_MIN_MODELS else histogram_klom
    return form(unlearned_margins, oracle_margins)


def summary(values: np.ndarray, models: int) -> dict[str, Finding]:
    """Mean, 95th and 5th percentile over the points of a split: `mean`, `p95`, `p05`.

    `values` are those of the points, P, of a form above; `models` is the size of the smaller fleet.
    """
    reason = ""
    if models < MIN_MODELS:
        reason = f"{models} models in the smaller fleet; KLoM needs {MIN_MODELS}"
    elif not len(values):
        reason = "no points"
    if reason:
        return {name: Finding(None, n=models, reason=reason) for name in ("mean", "p95", "p05")}
    high, low = np.percentile(values, [95, 5])
    statistics = {"mean": values.mean(), "p95": high, "p05": low}
    return {name: Finding(float(value), n=models) for name, value in statistics.items()}


def _histogram_divergence(
    unlearned_margins: np.ndarray, oracle_margins: np.ndarray, bins: int, compat: bool
) -> np.ndarray:
    """The value of each point of one block; see `histogram_klom`."""
    bound = MARGIN_BOUND
    fleets = [np.clip(unlearned_margins, -bound, bound), np.clip(oracle_margins, -bound, bound)]
    low = np.minimum(fleets[0].min(axis=0), fleets[1].min(axis=0)).astype(np.float64)
    high = np.maximum(fleets[0].max(axis=0), fleets[1].max(axis=0)).astype(np.float64)
    high = np.where(high > low, high, low + 1)
    p, q = (_frequencies(fleet, low, high, bins, compat) for fleet in fleets)
    q = np.maximum(q, MIN_PROBABILITY)
    log_ratio = np.log(np.where(p > 0, p, 1.0) / np.where(p > 0, q, 1.0))
    return np.maximum((p * log_ratio).sum(axis=1), 0.0)


def _frequencies(
    fleet: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int, compat: bool
) -> np.ndarray:
    """Share of the counted margins in each bin, P x bins; zeros where none is counted."""
    points = fleet.shape[1]
    places = ((fleet - low) * (bins / (high - low))).astype(np.int64)
    places = np.where(fleet == high, bins, np.minimum(places, bins - 1))
    flat_places = places + (bins + 1) * np.arange(points)
    counts = np.bincount(flat_places.ravel(), minlength=points * (bins + 1))
    counts = counts.reshape(points, bins + 1).astype(np.float64)
    if not compat:
        counts[:, bins - 1] += counts[:, bins]
    counts = counts[:, :bins]
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
