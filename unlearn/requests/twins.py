"""Deleted points that have a near-duplicate left: the other keeps what they taught."""

import numpy as np

TWIN_SIMILARITY = 0.99
"""The cosine similarity from which two points count as near-duplicates, means subtracted."""

CHUNK_POINTS = 1024
"""Retained points that are compared at a time: with 10,000 deleted ones 41 MB in float32."""

ROUNDING = 1e-4
"""How far a similarity in float32 may be from the one in float64."""


def twin_count(images: np.ndarray, forget_ids: np.ndarray, retain_ids: np.ndarray) -> int:
    """The number of deleted points with a near-duplicate among the retained ones.

    Args:
        images: All training points, pixels or features, N x H x W x C.
        forget_ids: The deleted points.
        retain_ids: The retained points.
    """
    if not len(forget_ids):
        return 0
    deleted = _directions(images, forget_ids).astype(np.float32)
    has_twin = np.zeros(len(forget_ids), bool)
    for start in range(0, len(retain_ids), CHUNK_POINTS):
        chunk_ids = retain_ids[start : start + CHUNK_POINTS]
        kept = _directions(images, chunk_ids)
        products = deleted @ kept.astype(np.float32).T
        rows, columns = np.nonzero(products > TWIN_SIMILARITY - ROUNDING)
        for row, column in zip(rows, columns, strict=True):
            if not has_twin[row]:
                direction = _directions(images, forget_ids[row : row + 1])[0]
                has_twin[row] = direction @ kept[column] >= TWIN_SIMILARITY
    return int(has_twin.sum())


def _directions(images: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Points less their mean value, of length 1, float64; 0 for a point of one value."""
    rows = images[ids].reshape(len(ids), -1).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
