"""Shards and slices: which points they hold, how long each is trained, what requests cost.

SISA (Bourtoule et al., IEEE S&P 2021): the training set is cut into shards, each shard into
slices. A constituent model is trained on the slices of its shard, one more at each stage. Numpy
only, for the plan, the samplers and the trainer.
"""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from unlearn.core import seeding
from unlearn.core.guarantee import Guarantee
from unlearn.core.setting import DataFacts
from unlearn.partitions import request_prior

Layout = list[list[np.ndarray]]
"""layout[shard][slice]: sorted ids."""


@dataclass(frozen=True)
class PartitionGuarantee(Guarantee):
    """What unlearning can rely on under a partition."""

    by_id: bool = False
    """Whether ids alone decide where a point goes, not what it contains."""
    fixed: bool = True
    """Whether the place of a point never depends on which others are present."""


@dataclass(frozen=True)
class PartitionedPoints:
    """The training points as partitions see them."""

    labels: np.ndarray
    base_ids: np.ndarray
    """Sorted ids in base training."""
    classes: int
    images: np.ndarray | None = None
    """uint8 N x H x W x C; partitions by content need them."""

    @property
    def reserve_ids(self) -> np.ndarray:
        """Sorted ids outside base training."""
        return np.setdiff1d(np.arange(len(self.labels)), self.base_ids)


def blocks(points: int, count: int) -> np.ndarray:
    """The block of each of so many points in order; sizes differ by at most one."""
    return np.arange(points) * count // max(points, 1)


def cut(ids: np.ndarray, shards: int, partition_seed: int) -> np.ndarray:
    """The shard of each of `ids`: a seeded permutation in equal parts."""
    shard_of = np.empty(len(ids), dtype=np.int64)
    order = seeding.shuffled(np.arange(len(ids)), seeding.derive(partition_seed, "shards"))
    shard_of[order] = blocks(len(ids), shards)
    return shard_of


def shards_of(
    points: PartitionedPoints,
    partition: str,
    present_ids: np.ndarray | None = None,
    **options: Any,
) -> np.ndarray:
    """The shard of every training id.

    Args:
        points: All training points.
        partition: The name of a module of this package.
        present_ids: The present training set; None takes base training.
        **options: The parameters of the trainer.
    """
    present_ids = points.base_ids if present_ids is None else present_ids
    return _import(partition).assign(points, present_ids, **options)


def slicing_order(ids: np.ndarray, partition_seed: int) -> np.ndarray:
    """The points of a shard in the order in which it is cut into slices."""
    return seeding.shuffled(ids, seeding.derive(partition_seed, "slices"))


def slices_of(
    points: PartitionedPoints,
    shard_of: np.ndarray,
    *,
    by_id: bool,
    slices: int,
    partition_seed: int,
    slice_order: str,
    prior: str,
    prior_shape: float,
    prior_seed: int,
    **_,
) -> np.ndarray:
    """The slice of every training id; points that joined after base training are in the last.

    A shard is cut into parts of equal size where ids alone decide which points it holds.
    Elsewhere its size tells of points that may have to be forgotten, so the cuts are those of an
    order of all ids and the slices are only about equal.

    Args:
        points: All training points.
        shard_of: The shard of every training id.
        by_id: Whether ids alone decide where a point goes.
        slices: Slices of a shard.
        partition_seed: Decides the random order in which a shard is cut.
        slice_order: `random`, or `request_probability`: likely points come last.
        prior: The kind of the request probability.
        prior_shape: Its shape.
        prior_seed: The seed of its ranking.
    """
    order = slicing_order(points.base_ids, partition_seed)
    if slice_order == "request_probability":
        probability = request_prior.probabilities(prior, points.base_ids, prior_seed, prior_shape)
        order = points.base_ids[np.argsort(probability, kind="stable")]
    slice_of = np.full(len(points.labels), slices - 1, dtype=np.int64)
    slice_of[order] = blocks(len(order), slices)
    for shard in np.unique(shard_of[order]) if by_id else ():
        members = order[shard_of[order] == shard]
        slice_of[members] = blocks(len(members), slices)
    return slice_of


def assignment(
    points: PartitionedPoints, present_ids: np.ndarray, shards: int, slices: int, **options: Any
) -> np.ndarray:
    """int16 2 x N: shard and slice of every training id, -1 for those outside `present_ids`.

    A function of the ids present, not of how they came to be: requests in any order and in any
    batches lead to the same assignment. Nothing is stored of absent points: even their old place
    may tell their class.
    """
    shard_of = shards_of(points, present_ids=present_ids, shards=shards, **options)
    by_id = guarantee(**options).by_id
    slice_of = slices_of(points, shard_of, by_id=by_id, slices=slices, **options)
    places = np.full((2, len(points.labels)), -1, dtype=np.int16)
    places[:, present_ids] = shard_of[present_ids], slice_of[present_ids]
    return places


def layout(places: np.ndarray, shards: int, slices: int) -> Layout:
    """The sorted ids of every slice of every shard of an assignment."""
    shard_of, slice_of = places.astype(np.int64)
    place_of = shard_of * slices + slice_of
    present_ids = np.flatnonzero(shard_of >= 0)
    order = present_ids[np.argsort(place_of[present_ids], kind="stable")]
    cuts = np.searchsorted(place_of[order], np.arange(1, shards * slices))
    parts = np.split(order, cuts)
    return [parts[s * slices : (s + 1) * slices] for s in range(shards)]


def hits(before: np.ndarray, after: np.ndarray) -> dict[int, int]:
    """The first slice in which two assignments differ, for every shard in which they do."""
    changed = (before != after).any(0)
    places = np.concatenate([before[:, changed], after[:, changed]], axis=1)
    first_slices: dict[int, int] = {}
    for shard, slice_index in np.unique(places[:, places[0] >= 0], axis=1).T.tolist():
        first_slices.setdefault(shard, slice_index)
    return first_slices


def epochs_of_a_stage(epochs: float, slices: int) -> float:
    """2 e' / (R + 1): stages that each add a slice then visit as many points as e' epochs."""
    return 2 * epochs / (slices + 1)


def stage_steps(points: int, slices: int, epochs: float, batch_size: int) -> int:
    """Minibatches of a stage: at least one, none without points.

    Args:
        points: Those of the slices so far.
        slices: Slices of a shard.
        epochs: Those of plain training.
        batch_size: Points of a minibatch.
    """
    if not points:
        return 0
    batches = math.ceil(points / batch_size)
    return max(1, round(epochs_of_a_stage(epochs, slices) * batches))


def expected_evaluations(sizes: Sequence[Sequence[int]], requests: int, epochs: float) -> float:
    """Gradient evaluations that a batch of uniform deletions costs on average.

    `sizes[shard][slice]`: points before it. Stage i of a shard, on its first m points, is trained
    again if one of them is among the K of N that are deleted, on those that are left:
    sum over stages of e (m (1 - C(N - m, K) / C(N, K)) - K m / N), e epochs a stage. For one slice
    this is e' (sum over shards of n (1 - C(N - n, K) / C(N, K)) - K).
    """
    total = sum(map(sum, sizes))
    if not total or not requests:
        return 0.0
    epochs = epochs_of_a_stage(epochs, len(sizes[0]))
    cost = 0.0
    for shard in sizes:
        for points in np.cumsum(shard):
            untouched = _probability_of_none(int(points), requests, total)
            cost += points * (1 - untouched) - requests * points / total
    return epochs * cost


def check(data: DataFacts, *, shards: int, slices: int, partition: str, **options: Any) -> None:
    """ValueError for shards or slices that cannot exist in a data set of this size.

    Args:
        data: The sizes of the data set.
        shards: The number of shards.
        slices: Slices of a shard.
        partition: The name of the partition.
        **options: The other parameters of the trainer.
    """
    points = data.base_points
    if shards > points:
        raise ValueError(
            f"shards: {shards} are more than the {points} points; allowed: 1 .. {points}"
        )
    shard_points = points // shards
    if slices > shard_points:
        raise ValueError(
            f"slices: {slices} are more than the {shard_points} points of a shard; allowed: "
            f"1 .. {shard_points}"
        )
    if "prior" in options:
        request_prior.check(options["prior"], options["prior_shape"], "prior_shape")
    _import(partition).check(data, shards=shards, **options)


def guarantee(*, partition: str, **options: Any) -> PartitionGuarantee:
    """What unlearning can rely on under these parameters."""
    return _import(partition).guarantee(**options)


def module(partition: str) -> str:
    """The module of a partition."""
    return f"unlearn.partitions.{partition}"


def _probability_of_none(points: int, requests: int, total: int) -> float:
    """The probability that none of the points is requested: C(N - m, K) / C(N, K)."""
    if requests > total - points:
        return 0.0
    factorials = (
        (total - points, 1),
        (total - requests, 1),
        (total - points - requests, -1),
        (total, -1),
    )
    return math.exp(sum(sign * math.lgamma(n + 1) for n, sign in factorials))


def _import(partition: str) -> ModuleType:
    return importlib.import_module(module(partition))
