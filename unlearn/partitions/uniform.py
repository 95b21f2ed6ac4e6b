"""A seeded permutation of the ids, cut into shards whose sizes differ by at most one."""

import numpy as np

from unlearn.core.setting import DataFacts
from unlearn.partitions.sharding import PartitionedPoints, PartitionGuarantee, cut


def check(data: DataFacts, *, shards: int, **_) -> None:
    """Nothing: any number of shards can exist."""


def guarantee(**_) -> PartitionGuarantee:
    """What unlearning can rely on."""
    return PartitionGuarantee(
        "exact", "ids and the seed alone decide where a point goes", by_id=True
    )


def assign(
    points: PartitionedPoints, present_ids: np.ndarray, *, shards: int, partition_seed: int, **_
) -> np.ndarray:
    """The shard of every id; points outside base training are cut in the same way."""
    shard_of = np.empty(len(points.labels), dtype=np.int64)
    for ids in (points.base_ids, points.reserve_ids):
        shard_of[ids] = cut(ids, shards, partition_seed)
    return shard_of
