"""Samplers, one file each, and what they draw: requests to delete or add points.

A sampler module says what it asks for, `ASKS = ("delete",)`, and has two functions:
`check(points, classes, held_out, **parameters)` raises ValueError, before any data is there, for
parameters that select nothing or everything; `draw(labels, held_out, **parameters)` returns the
request. Both are pure; the same seed draws the same points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Step:
    """One step of a request, seen from the training set that it meets.

    All ids are sorted int64 arrays. `forget` and `added` are cumulative over the steps so far:
    what is gone now, and what is there now that was not in base training.
    """

    index: int
    points: int
    """Size of the whole training array; ids are below it."""
    before: np.ndarray
    """The training set before this step."""
    retain: np.ndarray
    """The training set after it (with the added points)."""
    deleted: np.ndarray
    """What this step alone deletes."""
    forget: np.ndarray
    added: np.ndarray


@dataclass(frozen=True)
class Request:
    """An ordered list of steps, each deleting some ids and adding others."""

    deletions: Sequence[np.ndarray]
    additions: Sequence[np.ndarray]

    def steps(self, points: int, base: np.ndarray) -> Iterator[Step]:
        """Replay on the training set `base` out of ids 0..points-1.

        Raises ValueError for an unknown id, for deleting an absent and for adding a present one.
        """
        present, original = base, base
        changes = zip(self.deletions, self.additions, strict=True)
        for index, (out, new) in enumerate(changes, start=1):
            _require(points, present, out, new)
            after = np.union1d(np.setdiff1d(present, out), new).astype(np.int64)
            yield Step(
                index=index,
                points=points,
                before=present,
                retain=after,
                deleted=np.sort(out),
                forget=np.setdiff1d(original, after),
                added=np.setdiff1d(after, original),
            )
            present = after


def _require(points: int, present: np.ndarray, out: np.ndarray, new: np.ndarray) -> None:
    for ids, verb in ((out, "delete"), (new, "add")):
        unknown = ids[(ids < 0) | (ids >= points)]
        if len(unknown):
            raise ValueError(f"cannot {verb} point {unknown[0]}: ids go from 0 to {points - 1}")
        if len(np.unique(ids)) != len(ids):
            raise ValueError(f"cannot {verb} a point twice in one step")
    absent = np.setdiff1d(out, present)
    if len(absent):
        raise ValueError(f"cannot delete point {absent[0]}: it is not in the training set")
    known = np.intersect1d(new, present)
    if len(known):
        raise ValueError(f"cannot add point {known[0]}: it is in the training set already")


def split(ids: np.ndarray, steps: int) -> list[np.ndarray]:
    """`ids` in their order, cut into `steps` parts of nearly equal size, each sorted."""
    return [np.sort(part).astype(np.int64) for part in np.array_split(ids, steps)]


def amount(total: int, rate: float | None, count: int | None) -> int:
    """The number of points that a rate or a count asks for; ValueError unless it is one of them."""
    if (rate is None) == (count is None):
        raise ValueError("give either rate or count")
    chosen = round(rate * total) if count is None else count
    if chosen < 1:
        raise ValueError(f"rate {rate} selects no point of {total}; the least is {1 / total:.2g}")
    return chosen


def some_of(points: int, held_out: int, rate: float | None, count: int | None, steps: int) -> None:
    """ValueError unless some but not all points of base training are selected, one a step."""
    base = points - held_out
    chosen = amount(base, rate, count)
    if chosen >= base:
        raise ValueError(f"{chosen} points leave nothing of the {base} in the training set")
    if steps > chosen:
        raise ValueError(f"{steps} steps are more than the {chosen} points that are selected")
