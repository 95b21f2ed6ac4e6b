"""A seeded permutation of the ids, cut into shards whose sizes differ by at most one."""

import numpy as np

from unlearn.core.guarantee import Promise
from unlearn.partitions.sharding import Points, cut


def check(points: int, classes: int, held_out: int, *, shards: int, **_) -> None:
    """Any number of shards will do."""


def promise(**_) -> Promise:
    """What unlearning can rely on."""
    return Promise("exact", "ids and the seed alone decide where a point goes", by_id=True)


def assign(
    points: Points, present: np.ndarray, *, shards: int, partition_seed: int, **_
) -> np.ndarray:
    """The shard of every id; points outside base training are cut in the same way."""
    shard_of = np.empty(len(points.labels), dtype=np.int64)
    for ids in (points.base, points.others):
        shard_of[ids] = cut(ids, shards, partition_seed)
    return shard_of
