"""Deletions meant to cost as much as they can: one point of every shard in turn."""

import numpy as np

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.partitions import sharding
from unlearn.requests.amount import (
    amount,
    check_deletion,
    count_parameter,
    rate_parameter,
    steps_parameter,
)
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion


class Adversarial(Sampler):
    """One point of every shard in turn, for trainers with these shards."""

    rate: float | None = rate_parameter()
    count: int | None = count_parameter()
    steps: int = steps_parameter()
    shards: int = parameter(5, minimum=1, help="Shards of the trainer.")
    partition: str = parameter(
        "uniform", choices=("uniform", "label"), help="How the trainer's points go to shards."
    )
    partition_seed: int = parameter(0, minimum=0, help="The seed of the trainer's partition.")

    def modules(self) -> tuple[str, ...]:
        """The module of the partition."""
        return (sharding.module(self.partition),)

    def check(self, setting: Setting) -> None:
        """Raise ValueError unless some but not all points are selected, and the shards can be."""
        check_deletion(setting.data, self.rate, self.count, self.steps)
        sharding.check(setting.data, shards=self.shards, slices=1, partition=self.partition)

    def draw(self, dataset: PointSet) -> Request:
        """The first point of every shard, then the second of every shard, and so on.

        A shard's points come in the (random) order in which it is cut into slices, so that the
        slices that cost most come first. Shards that have run out are passed over.
        """
        labels = dataset.train_labels
        base_ids = dataset.base_ids
        points = sharding.PartitionedPoints(labels, base_ids, classes=int(labels.max()) + 1)
        shard_of = sharding.shards_of(
            points, self.partition, shards=self.shards, partition_seed=self.partition_seed
        )
        shard_ids = [
            sharding.slicing_order(base_ids[shard_of[base_ids] == shard], self.partition_seed)
            for shard in range(self.shards)
        ]
        turn = np.concatenate([np.arange(len(ids)) for ids in shard_ids])
        order = np.concatenate(shard_ids)[np.argsort(turn, kind="stable")]
        points = amount(len(base_ids), self.rate, self.count)
        return deletion(order[:points], self.steps)
