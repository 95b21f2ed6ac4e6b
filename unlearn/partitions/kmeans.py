"""Clusters of pixels: the shard of a point is the nearest of S centroids."""

import numpy as np

from unlearn import seeding
from unlearn.sharding import Points

BY_ID = False


def check(
    points: int, classes: int, held_out: int, *, shards: int, kmeans_fit: str, components: int, **_
) -> None:
    """ValueError where there are too few points to fit the centroids on."""
    fitted = held_out if kmeans_fit == "public" else points - held_out
    needed = max(shards, components)
    if fitted < needed:
        way_out = "; raise `held_out` of the data set" if kmeans_fit == "public" else ""
        raise ValueError(
            f"kmeans_fit: {kmeans_fit} has {fitted} points to fit {shards} centroids on, "
            f"at least {needed} are needed{way_out}"
        )


def guarantee(*, kmeans_fit: str, **_) -> tuple[str, str]:
    """Level and reason."""
    return {
        "public": ("exact", "centroids fitted on held-out points, which are public"),
        "refit": ("exact", "centroids fitted again on the remaining points at every request"),
        "frozen": ("conditional", "partition fitted on deleted points"),
    }[kmeans_fit]


def assign(
    points: Points,
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
    public = np.setdiff1d(everyone, points.base)
    fitted = {"public": public, "refit": present, "frozen": points.base}[kmeans_fit]
    seed = seeding.derive(partition_seed, "centroids") % 2**32
    pixels = points.images.reshape(len(everyone), -1).astype(np.float32) / 255
    pixels = _features(pixels, fitted, features, min(components, pixels.shape[1]), seed)
    batch = min(1024, len(fitted))
    clusters = MiniBatchKMeans(shards, random_state=seed, n_init=3, batch_size=batch)
    return clusters.fit(pixels[fitted]).predict(pixels).astype(np.int64)


def _features(
    pixels: np.ndarray, fitted: np.ndarray, kind: str, components: int, seed: int
) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.random_projection import GaussianRandomProjection

    if kind == "pixels":
        return pixels
    if kind == "pca":
        return PCA(components, random_state=seed).fit(pixels[fitted]).transform(pixels)
    projection = GaussianRandomProjection(components, random_state=seed)
    return projection.fit(pixels[:1]).transform(pixels)  # fit looks at the shape alone
