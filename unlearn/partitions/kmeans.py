"""Clusters of pixels: the shard of a point is the nearest of S centroids."""

from collections.abc import Callable

import numpy as np

from unlearn.core import seeding
from unlearn.core.setting import DataFacts
from unlearn.partitions.sharding import PartitionedPoints, PartitionGuarantee

CHUNK_POINTS = 5000
"""Points that are turned into features at a time."""

MAX_BATCH_POINTS = 1024
"""Points of a minibatch of k-means."""


def check(
    data: DataFacts,
    *,
    shards: int,
    kmeans_fit: str,
    features: str,
    components: int,
    **_,
) -> None:
    """ValueError where there are too few points to fit the centroids on.

    Args:
        data: The sizes of the data set.
        shards: The number of centroids.
        kmeans_fit: The points that they are fitted on; see `assign`.
        features: The space that they lie in; see `assign`.
        components: Its dimensions.
    """
    points = data.held_out if kmeans_fit == "public" else data.base_points
    min_points = max(shards, components) if features == "pca" else shards
    if points < min_points:
        advice = "; raise `held_out` of the data set" if kmeans_fit == "public" else ""
        raise ValueError(
            f"kmeans_fit: {kmeans_fit} has {points} points to fit {shards} centroids on, "
            f"at least {min_points} are needed{advice}"
        )


def guarantee(*, kmeans_fit: str, **_) -> PartitionGuarantee:
    """What unlearning can rely on."""
    public_reason = "centroids fitted on held-out points, which are public and stay so"
    refit_reason = "centroids fitted again on the remaining points at every request"
    return {
        "public": PartitionGuarantee("exact", public_reason, serves=("delete",)),
        "refit": PartitionGuarantee("exact", refit_reason, fixed=False),
        "frozen": PartitionGuarantee("conditional", "partition fitted on deleted points"),
    }[kmeans_fit]


def assign(
    points: PartitionedPoints,
    present_ids: np.ndarray,
    *,
    shards: int,
    partition_seed: int,
    kmeans_fit: str,
    features: str,
    components: int,
    **_,
) -> np.ndarray:
    """The nearest centroid of every id. An empty cluster is an empty shard.

    Centroids, and the principal components where features are `pca`, are fitted on the points
    outside base training (`public`), on `present_ids` (`refit`) or on base training (`frozen`).

    Args:
        points: All training points, with images.
        present_ids: The present training set.
        shards: The number of centroids.
        partition_seed: Decides the initial centroids and the projection.
        kmeans_fit: `public`, `refit` or `frozen`.
        features: `pixels`, `pca` or `random_projection`.
        components: Dimensions of `pca` and `random_projection`.
    """
    from sklearn.cluster import MiniBatchKMeans

    ids_by_rule = {
        "public": points.reserve_ids,
        "refit": present_ids,
        "frozen": points.base_ids,
    }
    fitted_ids = ids_by_rule[kmeans_fit]
    pixels = _pixels(points, fitted_ids)
    seed = seeding.derive(partition_seed, "centroids") % 2**32
    transform = _transform(pixels, features, components, seed)
    clusters = MiniBatchKMeans(
        min(shards, len(fitted_ids)),
        random_state=seed,
        n_init=3,
        batch_size=min(MAX_BATCH_POINTS, len(fitted_ids)),
    )
    clusters.fit(transform(pixels))
    all_ids = np.arange(len(points.labels))
    chunks = np.array_split(all_ids, len(all_ids) // CHUNK_POINTS + 1)
    nearest = [clusters.predict(transform(_pixels(points, chunk))) for chunk in chunks]
    return np.concatenate(nearest).astype(np.int64)


def _pixels(points: PartitionedPoints, ids: np.ndarray) -> np.ndarray:
    """float32 N x pixels in [0, 1]."""
    return points.images[ids].reshape(len(ids), -1).astype(np.float32) / 255


def _transform(pixels: np.ndarray, kind: str, components: int, seed: int) -> Callable:
    """A function from pixels to features, fitted on these pixels.

    Args:
        pixels: N x pixels; random projection is fitted on their number alone.
        kind: `pixels`, `pca` or `random_projection`.
        components: Dimensions of the features.
        seed: Decides the projection.
    """
    from sklearn.decomposition import PCA
    from sklearn.random_projection import GaussianRandomProjection

    components = min(components, pixels.shape[1])
    if kind == "pca":
        return PCA(min(components, len(pixels)), random_state=seed).fit(pixels).transform
    if kind == "random_projection":
        return GaussianRandomProjection(components, random_state=seed).fit(pixels[:1]).transform
    return lambda pixels: pixels
