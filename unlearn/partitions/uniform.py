"""A seeded permutation of the ids, cut into shards whose sizes differ by at most one."""

import numpy as np

from unlearn import seeding
from unlearn.sharding import Points, blocks

BY_ID = True


def check(points: int, classes: int, held_out: int, *, shards: int, **_) -> None:
    """Any number of shards will do."""


def fixed(**_) -> bool:
    """Nothing depends on the points present."""
    return True


def serves(**_) -> tuple[str, ...]:
    """Points can leave and join."""
    return "delete", "add"


def guarantee(**_) -> tuple[str, str]:
    """Level and reason."""
    return "exact", "ids and the seed alone decide where a point goes"


def assign(
    points: Points, present: np.ndarray, *, shards: int, partition_seed: int, **_
) -> np.ndarray:
    """The shard of every id; points outside base training are cut in the same way."""
    shard_of = np.empty(len(points.labels), dtype=np.int64)
    seed = seeding.derive(partition_seed, "shards")
    for ids in (points.base, np.setdiff1d(np.arange(len(points.labels)), points.base)):
        shard_of[seeding.shuffled(ids, seed)] = blocks(len(ids), shards)
    return shard_of
