"""Requests to delete or add points, and their steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NO_IDS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Step:
    """One step of a request, seen from the training set that it meets.

    All ids are sorted int64 arrays. `forget_ids` and `added_ids` are cumulative over the steps so
    far, relative to base training.
    """

    index: int
    """Counts from 1."""
    train_points: int
    """Size of the whole training array; ids are below it."""
    previous_ids: np.ndarray
    """The training set before this step."""
    retain_ids: np.ndarray
    """The training set after this step, with the added points."""
    deleted_ids: np.ndarray
    """What this step alone deletes."""
    forget_ids: np.ndarray
    """The points of base training that are deleted after this step."""
    added_ids: np.ndarray
    """The points of the training set after this step that were not in base training."""


@dataclass(frozen=True)
class Request:
    """An ordered list of steps, each deleting some ids and adding others."""

    deletions: Sequence[np.ndarray]
    additions: Sequence[np.ndarray]

    def within(self, train_ids: np.ndarray) -> "Request":
        """The request for a model trained on `train_ids`: other points need not be deleted."""
        present_ids = train_ids
        deletions = []
        for deleted_ids, new_ids in zip(self.deletions, self.additions, strict=True):
            deletions.append(np.intersect1d(deleted_ids, present_ids))
            present_ids = np.union1d(np.setdiff1d(present_ids, deleted_ids), new_ids)
        return Request(deletions, self.additions)

    def steps(self, train_points: int, base_ids: np.ndarray) -> Iterator[Step]:
        """Replay the request on the training set `base_ids` out of ids 0..train_points - 1.

        Raises ValueError for an unknown id, for deleting an absent and for adding a present one.
        """
        present_ids = base_ids
        changes = zip(self.deletions, self.additions, strict=True)
        for index, (deleted_ids, new_ids) in enumerate(changes, start=1):
            _check(train_points, present_ids, deleted_ids, new_ids)
            retain_ids = np.union1d(np.setdiff1d(present_ids, deleted_ids), new_ids)
            retain_ids = retain_ids.astype(np.int64)
            yield Step(
                index=index,
                train_points=train_points,
                previous_ids=present_ids,
                retain_ids=retain_ids,
                deleted_ids=np.sort(deleted_ids),
                forget_ids=np.setdiff1d(base_ids, retain_ids),
                added_ids=np.setdiff1d(retain_ids, base_ids),
            )
            present_ids = retain_ids


def _check(
    train_points: int, present_ids: np.ndarray, deleted_ids: np.ndarray, new_ids: np.ndarray
) -> None:
    """Raise ValueError for a step that deletes absent points or adds present ones.

    Args:
        train_points: Ids are below it.
        present_ids: The training set before the step.
        deleted_ids: The points to delete.
        new_ids: The points to add.
    """
    for ids, verb in ((deleted_ids, "delete"), (new_ids, "add")):
        unknown_ids = ids[(ids < 0) | (ids >= train_points)]
        if len(unknown_ids):
            raise ValueError(
                f"cannot {verb} point {unknown_ids[0]}: ids go from 0 to {train_points - 1}"
            )
        if len(np.unique(ids)) != len(ids):
            raise ValueError(f"cannot {verb} a point twice in one step")
    absent_ids = np.setdiff1d(deleted_ids, present_ids)
    if len(absent_ids):
        raise ValueError(f"cannot delete point {absent_ids[0]}: it is not in the training set")
    repeated_ids = np.intersect1d(new_ids, present_ids)
    if len(repeated_ids):
        raise ValueError(f"cannot add point {repeated_ids[0]}: it is in the training set already")


def deletion(ids: np.ndarray, steps: int = 1) -> Request:
    """The request to delete `ids`, in their order, in `steps` parts of nearly equal size."""
    return Request(split(ids, steps), [NO_IDS] * steps)


def addition(ids: np.ndarray, steps: int = 1) -> Request:
    """The request to add `ids`, in their order, in `steps` parts of nearly equal size."""
    return Request([NO_IDS] * steps, split(ids, steps))


def split(ids: np.ndarray, steps: int) -> list[np.ndarray]:
    """`ids` in their order, cut into `steps` parts of nearly equal size, each sorted."""
    return [np.sort(part).astype(np.int64) for part in np.array_split(ids, steps)]
