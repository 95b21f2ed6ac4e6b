"""Shards of points that are about equally likely to be deleted (Bourtoule et al. 2021, sec. 7).

PartitionedPoints are sorted by the probability of a request and cut into contiguous blocks, so that points
that are often asked for share few shards.
"""

import numpy as np

from unlearn.core.setting import DataFacts
from unlearn.partitions import request_prior
from unlearn.partitions.sharding import PartitionedPoints, PartitionGuarantee, cut

CANDIDATES = 1000


def check(data: DataFacts, *, shards: int, min_shard: int, **_) -> None:
    """ValueError where the smallest allowed shards need more points than there are."""
    base = data.base_points
    if shards * min_shard > base:
        raise ValueError(
            f"min_shard: {shards} shards of {min_shard} points need {shards * min_shard}, there "
            f"are {base}; allowed: 1 .. {base // shards}"
        )


def guarantee(**_) -> PartitionGuarantee:
    """What unlearning can rely on."""
    reason = "request probabilities depend on ids, not on what the points contain"
    return PartitionGuarantee("exact", reason, by_id=True)


def assign(
    points: PartitionedPoints,
    present: np.ndarray,
    *,
    shards: int,
    partition_seed: int,
    prior: str,
    prior_shape: float,
    prior_seed: int,
    cuts: str,
    min_shard: int,
    **_,
) -> np.ndarray:
    """The block of every id in base training; the others are cut as by `uniform`.

    `equal_mass` is the paper's rule: ascending, open the next shard when the expected requests of
    the current one reach their share. `min_cost` cuts where the expected number of points that a
    request retrains, sum over shards of points x probability, is least.
    """
    probability = request_prior.probabilities(prior, points.base_ids, prior_seed, prior_shape)
    order = np.argsort(probability, kind="stable")
    rule = {"equal_mass": _equal_mass, "min_cost": _min_cost}[cuts]
    ends = rule(np.cumsum(probability[order]), shards, min_shard)
    shard_of = np.empty(len(points.labels), dtype=np.int64)
    shard_of[points.base_ids[order]] = np.searchsorted(ends, np.arange(len(order)), side="right")
    shard_of[points.reserve_ids] = cut(points.reserve_ids, shards, partition_seed)
    return shard_of


def _equal_mass(mass: np.ndarray, shards: int, min_shard: int) -> list[int]:
    """Where the first shards - 1 blocks end; every block has at least `min_shard` points."""
    ends, start = [], 0
    for left in range(shards - 1, 0, -1):
        before = mass[start - 1] if start else 0.0
        end = int(np.searchsorted(mass, before + mass[-1] / shards)) + 1
        start = min(max(end, start + min_shard), len(mass) - left * min_shard)
        ends.append(start)
    return ends


def _min_cost(mass: np.ndarray, shards: int, min_shard: int) -> list[int]:
    """The cheapest ends among about CANDIDATES, by dynamic programming."""
    total = len(mass)
    by_size = np.linspace(0, total, CANDIDATES // 2)
    by_mass = np.searchsorted(mass, np.linspace(0, mass[-1], CANDIDATES // 2))
    fixed = np.arange(shards + 1) * min_shard
    places = np.concatenate([by_size, by_mass, fixed, total - fixed]).astype(int)
    places = np.unique(np.clip(places, 0, total))
    below = np.concatenate([[0.0], mass])[places]
    size = places[None, :] - places[:, None]  # from row to column
    cost = np.where(size >= min_shard, size * (below[None, :] - below[:, None]), np.inf)
    best, came_from = cost[0], []
    for _ in range(shards - 1):
        through = best[:, None] + cost
        came_from.append(through.argmin(0))
        best = through.min(0)
    ends, at = [], len(places) - 1
    for previous in reversed(came_from):
        at = previous[at]
        ends.append(int(places[at]))
    return ends[::-1]
