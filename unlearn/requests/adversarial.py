"""Deletions meant to cost as much as they can: one point of every shard in turn."""

import numpy as np

from unlearn.partitions import sharding
from unlearn.requests.request import NOBODY, Request, amount, some_of, split

ASKS = ("delete",)
USES = {"partition": "partitions"}


def check(
    points: int, classes: int, held_out: int, *, rate, count, steps, shards, partition, **_
) -> None:
    """ValueError unless some but not all points are selected, and the shards can exist."""
    some_of(points, held_out, rate, count, steps)
    sharding.check(points, classes, held_out, shards=shards, slices=1, partition=partition)


def draw(
    labels: np.ndarray,
    held_out: np.ndarray,
    *,
    rate,
    count,
    steps,
    shards,
    partition,
    partition_seed,
) -> Request:
    """The first point of every shard, then the second of every shard, and so on.

    A shard's points come in the (random) order in which it is cut into slices, so that the slices
    that cost most come first. Shards that have run out are passed over.
    """
    base = np.setdiff1d(np.arange(len(labels)), held_out)
    points = sharding.Points(labels, base, classes=int(labels.max()) + 1)
    shard_of = sharding.shards_of(points, partition, shards=shards, partition_seed=partition_seed)
    members = [sharding.ordered(base[shard_of[base] == s], partition_seed) for s in range(shards)]
    turn = np.concatenate([np.arange(len(ids)) for ids in members])
    order = np.concatenate(members)[np.argsort(turn, kind="stable")]
    deletions = split(order[: amount(len(base), rate, count)], steps)
    return Request(deletions, [NOBODY] * steps)
