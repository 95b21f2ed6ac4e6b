"""From raw influences to weights of mean 1."""

import numpy as np

NO_INFLUENCE = 1e-12
"""Influence below which a point has none, where the largest is 1."""
EVEN_SHARE = 1e-3
"""Share of the mean that all get where too few points have any weight."""


def weights_of(raw: np.ndarray, cap: float | None, ids: np.ndarray) -> tuple[np.ndarray, str]:
    """Raw influences as weights of mean 1, none above `cap`, and what had to be done for it.

    ValueError for a value that is not finite, or negative beyond rounding; `ids` name its point.
    Where nothing has any influence all weights are 1.
    """
    raw = np.asarray(raw, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(raw))
    if len(bad) == len(raw):
        return np.ones(len(raw)), "no influence is a number, so all weights are 1"
    if len(bad):
        raise ValueError(f"the influence of point {ids[bad[0]]} is {raw[bad[0]]}")
    if raw.min() < -1e-6 * max(raw.max(), 0):
        worst = int(raw.argmin())
        raise ValueError(f"the influence of point {ids[worst]} is {raw[worst]}, below 0")
    raw, note = np.maximum(raw, 0), ""
    if not raw.any():
        return np.ones(len(raw)), "no point has any influence, so all weights are 1"
    raw = raw / raw.max()
    raw[raw < NO_INFLUENCE] = 0
    if cap is not None and (raw > 0).sum() < len(raw) / cap:
        raw, note = (
            raw + EVEN_SHARE * raw.mean(),
            "few points have any influence, so all get a little",
        )
    return _capped(raw / raw.mean(), np.inf if cap is None else cap), note


def _capped(raw: np.ndarray, cap: float) -> np.ndarray:
    """min(scale raw, cap) with the scale that makes the mean 1; exists if enough are positive."""
    order = np.sort(raw[raw > 0])[::-1]
    left = np.cumsum(order[::-1])[::-1]  # of the k-th largest and all below
    for k, (largest, rest) in enumerate(zip(order, left, strict=True)):
        scale = (len(raw) - k * cap if k else len(raw)) / rest
        if scale * largest <= cap * (1 + 1e-9):
            break
    return np.minimum(scale * raw, cap)
