"""Where points go: sizes, rules, and that nothing depends on what must be forgotten."""

import itertools

import numpy as np
import pytest

from unlearn.core import registry
from unlearn.partitions import distribution_aware, request_prior, sharding

SHAPES = {"uniform": 1, "pareto": 1.16, "exponential": 0.05}  # of priors


def options(**parameters):
    """The parameters of a partition."""
    trainer = registry.find("trainers", "sisa")(**parameters)
    return trainer.partition_options() | {"shards": trainer.shards, "slices": trainer.slices}


def points(data):
    return sharding.PartitionedPoints(data.train_labels, data.base_ids, 10, data.train_images)


def shards_of(data, present_ids=None, **parameters):
    partition_options = options(**parameters)
    slices = partition_options.pop("slices")
    by_id = sharding.guarantee(**partition_options).by_id
    shard_of = sharding.shards_of(points(data), present_ids=present_ids, **partition_options)
    partition_options |= {"by_id": by_id, "slices": slices}
    return shard_of, sharding.slices_of(points(data), shard_of, **partition_options)


@pytest.mark.parametrize("shards", [1, 2, 7, 160])
@pytest.mark.parametrize("slices", [1, 3])
def test_uniform_shards_and_slices_differ_by_one_point(digits, shards, slices):
    if shards * slices > 160:
        pytest.skip("fewer points than slices")
    shard_of, slice_of = shards_of(digits, shards=shards, slices=slices)
    base = digits.base_ids
    sizes = np.bincount(shard_of[base], minlength=shards)
    assert np.ptp(sizes) <= 1 and sizes.sum() == 160
    for shard in range(shards):
        parts = np.bincount(slice_of[base[shard_of[base] == shard]], minlength=slices)
        assert np.ptp(parts) <= 1
    assert np.ptp(np.bincount(shard_of[digits.held_out_ids], minlength=shards)) <= 1
    assert (slice_of[digits.held_out_ids] == slices - 1).all()


def test_the_seed_of_the_partition_decides(digits):
    shard_of, other_shard_of, repeated_shard_of = (
        shards_of(digits, partition_seed=seed)[0] for seed in (0, 1, 0)
    )
    assert np.array_equal(shard_of, repeated_shard_of)
    assert not np.array_equal(shard_of, other_shard_of)


def test_the_prior_decides_about_distribution_aware_shards(digits):
    parameters = {"partition": "distribution_aware", "min_shard": 4}
    shard_of = shards_of(digits, **parameters)[0]
    for change in (
        {"prior_seed": 1},
        {"prior": "exponential", "prior_shape": 0.05},
        {"prior_shape": 0.3},
    ):
        assert not np.array_equal(shards_of(digits, **parameters | change)[0], shard_of)


def test_centroids_can_be_fewer_than_shards(digits):
    present_ids = digits.base_ids[:4]
    parameters = {"partition": "kmeans", "kmeans_fit": "refit", "features": "pca", "shards": 5}
    shard_of, _ = shards_of(digits, present_ids=present_ids, **parameters)
    assert set(shard_of) <= set(range(4))


def test_labels_go_together(digits):
    labels = digits.train_labels
    shard_of, _ = shards_of(digits, partition="label", shards=5)
    assert np.array_equal(shard_of, labels // 2)
    shard_of, _ = shards_of(digits, partition="label", shards=3)
    assert np.array_equal(shard_of, labels * 3 // 10)
    shard_of, _ = shards_of(digits, partition="label", shards=30)
    assert np.array_equal(shard_of // 3, labels)
    assert len(np.unique(shard_of)) == 30


@pytest.mark.parametrize("fit", ["public", "frozen", "refit"])
@pytest.mark.parametrize("features", ["pixels", "pca", "random_projection"])
def test_kmeans_takes_the_nearest_centroid(digits, fit, features):
    parameters = {"partition": "kmeans", "shards": 4, "kmeans_fit": fit, "features": features}
    shard_of, _ = shards_of(digits, components=8, **parameters)
    assert set(shard_of) <= set(range(4)) and len(set(shard_of)) > 1
    pixels = digits.train_images.reshape(200, -1) / 255.0
    variance_within_shards = sum(
        pixels[shard_of == s].var(0).sum() * (shard_of == s).mean() for s in set(shard_of)
    )
    assert variance_within_shards < 0.95 * pixels.var(0).sum()
    present_ids = np.setdiff1d(digits.base_ids, digits.base_ids[:40])
    new_shard_of, _ = shards_of(digits, present_ids=present_ids, components=8, **parameters)
    assert np.array_equal(shard_of, new_shard_of) is (fit != "refit")


@pytest.mark.parametrize("partition", ["uniform", "label", "kmeans", "distribution_aware"])
def test_what_a_deleted_point_contains_decides_about_nobody_else(digits, partition):
    """The promise behind `exact`: other pixels and another label of one point move that point."""
    parameters = {"partition": partition, "shards": 5, "slices": 3, "min_shard": 4}
    point = digits.base_ids[17]
    images = digits.train_images.copy()
    labels = digits.train_labels.copy()
    images[point] = 255 - images[point]
    labels[point] = (labels[point] + 5) % 10
    fields = {name: getattr(digits, name) for name in digits.__dataclass_fields__}
    changed_digits = type(digits)(**fields | {"train_images": images, "train_labels": labels})
    unchanged_ids = np.delete(np.arange(200), point)
    partition_of_digits = shards_of(digits, **parameters)
    partition_of_changed_digits = shards_of(changed_digits, **parameters)
    for numbers, changed_numbers in zip(
        partition_of_digits, partition_of_changed_digits, strict=True
    ):
        assert np.array_equal(numbers[unchanged_ids], changed_numbers[unchanged_ids])


@pytest.mark.parametrize(
    ("parameters", "level"),
    [
        ({}, "exact"),
        ({"partition": "label"}, "exact"),
        ({"partition": "distribution_aware"}, "exact"),
        ({"partition": "kmeans"}, "exact"),
        ({"partition": "kmeans", "kmeans_fit": "refit"}, "exact"),
        ({"partition": "kmeans", "kmeans_fit": "frozen"}, "conditional"),
    ],
)
def test_guarantees_have_a_reason(parameters, level):
    guarantee = sharding.guarantee(**options(**parameters))
    assert guarantee.level == level and guarantee.reason


# -- distribution-aware ----------------------------------------------------------------------------


def expected_points(data, **parameters):
    """Points that one request drawn from the prior retrains on average, the point included."""
    shard_of, _ = shards_of(data, min_shard=1, **parameters)
    prior = parameters["prior"]
    p = request_prior.probabilities(prior, data.base_ids, 0, parameters["prior_shape"])
    shards = shard_of[data.base_ids]
    return sum((shards == s).sum() * p[shards == s].sum() for s in np.unique(shards))


def test_equal_mass_costs_as_much_as_uniform_shards_and_min_cost_less(digits):
    parameters = {"partition": "distribution_aware", "shards": 4}
    parameters |= {"prior": "exponential", "prior_shape": 0.05}
    equal_mass_cost = expected_points(digits, cuts="equal_mass", **parameters)
    assert equal_mass_cost == pytest.approx(160 / 4, rel=0.05)
    assert expected_points(digits, cuts="min_cost", **parameters) < 0.95 * equal_mass_cost


@pytest.mark.parametrize("prior", ["pareto", "exponential"])
@pytest.mark.parametrize("min_points", [1, 3])
def test_min_cost_is_the_best_of_all_cuts(prior, min_points):
    p = np.sort(request_prior.probabilities(prior, np.arange(18), 0, SHAPES[prior]))
    mass = np.concatenate([[0], np.cumsum(p)])

    def cost(ends):
        cuts = [0, *ends, 18]
        shards = itertools.pairwise(cuts)
        return sum((end - begin) * (mass[end] - mass[begin]) for begin, end in shards)

    candidates = [
        ends
        for ends in itertools.combinations(range(1, 18), 3)
        if min(np.diff([0, *ends, 18])) >= min_points
    ]
    best_ends = distribution_aware._min_cost(np.cumsum(p), 4, min_points)
    assert min(np.diff([0, *best_ends, 18])) >= min_points
    assert cost(best_ends) == pytest.approx(min(map(cost, candidates)))


@pytest.mark.parametrize("cuts", ["equal_mass", "min_cost"])
@pytest.mark.parametrize("prior", ["uniform", "pareto", "exponential"])
def test_every_shard_has_its_least_points(digits, cuts, prior):
    parameters = {"partition": "distribution_aware", "shards": 8, "min_shard": 5}
    shard_of, _ = shards_of(digits, cuts=cuts, prior=prior, prior_shape=SHAPES[prior], **parameters)
    sizes = np.bincount(shard_of[digits.base_ids], minlength=8)
    assert sizes.min() >= 5 and sizes.sum() == 160
    probabilities = request_prior.probabilities(prior, digits.base_ids, 0, SHAPES[prior])
    order = shard_of[digits.base_ids][np.argsort(probabilities, kind="stable")]
    assert (np.diff(order) >= 0).all()  # contiguous blocks


def test_likely_points_come_in_the_last_slices(digits):
    parameters = {"slice_order": "request_probability", "shards": 4, "slices": 3}
    parameters |= {"prior": "exponential", "prior_shape": 0.05}
    shard_of, slice_of = shards_of(digits, **parameters)
    p = request_prior.probabilities("exponential", digits.base_ids, 0, 0.05)
    for shard in range(4):
        is_in_shard = shard_of[digits.base_ids] == shard
        by_slice = [p[is_in_shard & (slice_of[digits.base_ids] == r)] for r in range(3)]
        assert by_slice[0].max() <= by_slice[1].min() <= by_slice[1].max() <= by_slice[2].min()
