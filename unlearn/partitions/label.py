"""Whole classes to a shard, or several shards to a class: the label of a point decides."""

import numpy as np

from unlearn.core import seeding
from unlearn.core.setting import DataFacts
from unlearn.partitions.sharding import PartitionedPoints, PartitionGuarantee


def check(data: DataFacts, *, shards: int, **_) -> None:
    """ValueError unless there are no more shards than classes, or a multiple of them."""
    if shards > data.classes and shards % data.classes:
        raise ValueError(
            f"shards: {shards} do not divide {data.classes} classes; allowed by partition label: "
            f"1 .. {data.classes} or a multiple of {data.classes}"
        )


def guarantee(**_) -> PartitionGuarantee:
    """What unlearning can rely on."""
    return PartitionGuarantee(
        "exact", "a point's own label, its id and the seed decide where it goes"
    )


def assign(
    points: PartitionedPoints, present_ids: np.ndarray, *, shards: int, partition_seed: int, **_
) -> np.ndarray:
    """floor(label S / C) for S shards and C classes; for S > C one of the S / C of the class."""
    if shards <= points.classes:
        return points.labels * shards // points.classes
    class_shards = shards // points.classes
    ids = np.arange(len(points.labels))
    keys = seeding.point_keys(seeding.derive(partition_seed, "shards"), ids)
    return points.labels * class_shards + (keys % np.uint64(class_shards)).astype(np.int64)
