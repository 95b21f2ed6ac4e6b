"""Seeds and per-point random numbers that do not depend on which other points are there."""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def derive(seed: int, *axes: str | int) -> int:
    """A seed for one purpose, a function of the study's seed and the purpose's name.

    63 bits, from SHA-256, so that different axes never share a stream.
    """
    text = "/".join(map(str, (seed, *axes)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def point_keys(seed: int, ids: np.ndarray) -> np.ndarray:
    """One uniform uint64 for each id: a function of (seed, id) alone.

    SplitMix64 (Steele, Lea, Flood 2014) of the id, offset by the seed. Sorting ids by their keys
    gives a random order in which removing a point never moves the others.
    """
    with np.errstate(over="ignore"):
        z = (np.asarray(ids).astype(np.uint64) + np.uint64(1)) * _GOLDEN + np.uint64(seed)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def point_uniforms(seed: int, ids: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers for each id, uniform in [0, 1), float64 N x count.

    They are a function of (seed, id, count) alone.
    """
    places = np.asarray(ids, dtype=np.int64)[:, None] * count + np.arange(count)
    return (point_keys(seed, places) >> np.uint64(11)) * 2.0**-53


def shuffled(ids: np.ndarray, seed: int) -> np.ndarray:
    """`ids` in the random order of their keys, which all differ if the ids do."""
    ids = np.asarray(ids)
    return ids[np.argsort(point_keys(seed, ids))]
