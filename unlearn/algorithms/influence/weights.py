"""From raw influences to weights of mean 1."""

import numpy as np

NO_INFLUENCE = 1e-12
"""Influence below which a point has none, where the largest is 1."""
EVEN_SHARE = 1e-3
"""Share of the mean that all get where too few points have any weight."""


def weights_of(
    influences: np.ndarray, cap: float | None, ids: np.ndarray
) -> tuple[np.ndarray, str]:
    """Influences as weights of mean 1, none above `cap`, and a note where they are replaced.

    Where no point has any influence all weights are 1. `ids` name the points in errors. ValueError
    for an influence that is not finite, or negative beyond rounding.
    """
    raw = np.asarray(influences, dtype=np.float64)
    not_finite = np.flatnonzero(~np.isfinite(raw))
    if len(not_finite) == len(raw):
        return np.ones(len(raw)), "no influence is a number, so all weights are 1"
    if len(not_finite):
        index = not_finite[0]
        raise ValueError(f"the influence of point {ids[index]} is {raw[index]}")
    if raw.min() < -1e-6 * max(raw.max(), 0):
        index = int(raw.argmin())
        raise ValueError(f"the influence of point {ids[index]} is {raw[index]}, below 0")
    raw = np.maximum(raw, 0)
    if not raw.any():
        return np.ones(len(raw)), "no point has any influence, so all weights are 1"
    raw = raw / raw.max()
    raw[raw < NO_INFLUENCE] = 0
    note = ""
    if cap is not None and (raw > 0).sum() < len(raw) / cap:
        raw = raw + EVEN_SHARE * raw.mean()
        note = "few points have any influence, so all get a little"
    return _capped(raw / raw.mean(), np.inf if cap is None else cap), note


def _capped(raw: np.ndarray, cap: float) -> np.ndarray:
    """min(scale raw, cap) with the scale that makes the mean 1.

    Such a scale exists if enough values are positive.
    """
    descending = np.sort(raw[raw > 0])[::-1]
    sums = np.cumsum(descending[::-1])[::-1]  # of the k-th largest and all below
    for k, (largest, total) in enumerate(zip(descending, sums, strict=True)):
        scale = (len(raw) - k * cap if k else len(raw)) / total
        if scale * largest <= cap * (1 + 1e-9):
            break
    return np.minimum(scale * raw, cap)
