"""Clusters of pixels: the shard of a point is the nearest of S centroids."""

from collections.abc import Callable

import numpy as np

from unlearn.core import seeding
from unlearn.core.setting import DataFacts
from unlearn.partitions.sharding import PartitionedPoints, PartitionGuarantee

CHUNK = 5000  # points that are turned into features at a time


def check(
    data: DataFacts,
    *,
    shards: int,
    kmeans_fit: str,
    features: str,
    components: int,
    **_,
) -> None:
    """ValueError where there are too few points to fit the centroids on."""
    fitted = data.held_out if kmeans_fit == "public" else data.base_points
    needed = max(shards, components) if features == "pca" else shards
    if fitted < needed:
        way_out = "; raise `held_out` of the data set" if kmeans_fit == "public" else ""
        raise ValueError(
            f"kmeans_fit: {kmeans_fit} has {fitted} points to fit {shards} centroids on, "
            f"at least {needed} are needed{way_out}"
        )


def guarantee(*, kmeans_fit: str, **_) -> PartitionGuarantee:
    """What unlearning can rely on."""
    public = "centroids fitted on held-out points, which are public and stay so"
    refit = "centroids fitted again on the remaining points at every request"
    return {
        "public": PartitionGuarantee("exact", public, serves=("delete",)),
        "refit": PartitionGuarantee("exact", refit, fixed=False),
        "frozen": PartitionGuarantee("conditional", "partition fitted on deleted points"),
    }[kmeans_fit]


def assign(
    points: PartitionedPoints,
    present: np.ndarray,
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
    outside base training (`public`), on `present` (`refit`) or on base training (`frozen`).
    """
    from sklearn.cluster import MiniBatchKMeans

    everyone = np.arange(len(points.labels))
    fitted = {"public": points.reserve_ids, "refit": present, "frozen": points.base_ids}[kmeans_fit]
    pixels = _pixels(points, fitted)
    seed = seeding.derive(partition_seed, "centroids") % 2**32
    transform = _features(pixels, features, components, seed)
    batch = min(1024, len(fitted))
    found = min(shards, len(fitted))
    clusters = MiniBatchKMeans(found, random_state=seed, n_init=3, batch_size=batch)
    clusters.fit(transform(pixels))
    parts = np.array_split(everyone, len(everyone) // CHUNK + 1)
    nearest = [clusters.predict(transform(_pixels(points, part))) for part in parts]
    return np.concatenate(nearest).astype(np.int64)


def _pixels(points: PartitionedPoints, ids: np.ndarray) -> np.ndarray:
    """float32 N x pixels in [0, 1]."""
    return points.images[ids].reshape(len(ids), -1).astype(np.float32) / 255


def _features(fitted: np.ndarray, kind: str, components: int, seed: int) -> Callable:
    """A function from pixels to features. Random projection looks at the shape alone."""
    from sklearn.decomposition import PCA
    from sklearn.random_projection import GaussianRandomProjection

    components = min(components, fitted.shape[1])
    if kind == "pca":
        return PCA(min(components, len(fitted)), random_state=seed).fit(fitted).transform
    if kind == "random_projection":
        return GaussianRandomProjection(components, random_state=seed).fit(fitted[:1]).transform
    return lambda pixels: pixels
