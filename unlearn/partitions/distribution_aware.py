"""Shards of points that are about equally likely to be deleted (Bourtoule et al. 2021, sec. 7).

Points are sorted by the probability of a request and cut into contiguous blocks, so that the points
that are likely to be deleted share few shards.
"""

import numpy as np

from unlearn.core.setting import DataFacts
from unlearn.partitions import request_prior
from unlearn.partitions.sharding import PartitionedPoints, PartitionGuarantee, cut

CANDIDATE_CUTS = 1000
"""Places where `min_cost` may cut, about."""


def check(data: DataFacts, *, shards: int, min_shard: int, **_) -> None:
    """ValueError where the smallest allowed shards need more points than there are."""
    points = data.base_points
    if shards * min_shard > points:
        raise ValueError(
            f"min_shard: {shards} shards of {min_shard} points need {shards * min_shard}, there "
            f"are {points}; allowed: 1 .. {points // shards}"
        )


def guarantee(**_) -> PartitionGuarantee:
    """What unlearning can rely on."""
    reason = "request probabilities depend on ids, not on what the points contain"
    return PartitionGuarantee("exact", reason, by_id=True)


def assign(
    points: PartitionedPoints,
    present_ids: np.ndarray,
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

    Args:
        points: All training points.
        present_ids: Not used: absent points do not move others.
        shards: The number of blocks.
        partition_seed: Decides the shards of points outside base training.
        prior: The kind of the request probability.
        prior_shape: Its shape.
        prior_seed: The seed of its ranking.
        cuts: `equal_mass` or `min_cost`.
        min_shard: The least points of a block.
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
    ends = []
    start = 0
    for remaining_shards in range(shards - 1, 0, -1):
        earlier_mass = mass[start - 1] if start else 0.0
        end = int(np.searchsorted(mass, earlier_mass + mass[-1] / shards)) + 1
        start = min(max(end, start + min_shard), len(mass) - remaining_shards * min_shard)
        ends.append(start)
    return ends


def _min_cost(mass: np.ndarray, shards: int, min_shard: int) -> list[int]:
    """The cheapest ends among about CANDIDATE_CUTS, by dynamic programming."""
    total = len(mass)
    by_size = np.linspace(0, total, CANDIDATE_CUTS // 2)
    by_mass = np.searchsorted(mass, np.linspace(0, mass[-1], CANDIDATE_CUTS // 2))
    smallest = np.arange(shards + 1) * min_shard
    places = np.concatenate([by_size, by_mass, smallest, total - smallest]).astype(int)
    places = np.unique(np.clip(places, 0, total))
    mass_below = np.concatenate([[0.0], mass])[places]
    size = places[None, :] - places[:, None]  # from row to column
    block_mass = mass_below[None, :] - mass_below[:, None]
    cost = np.where(size >= min_shard, size * block_mass, np.inf)
    least_cost = cost[0]
    predecessors = []
    for _ in range(shards - 1):
        cost_by_predecessor = least_cost[:, None] + cost
        predecessors.append(cost_by_predecessor.argmin(0))
        least_cost = cost_by_predecessor.min(0)
    ends = []
    place = len(places) - 1
    for predecessor in reversed(predecessors):
        place = predecessor[place]
        ends.append(int(places[place]))
    return ends[::-1]
