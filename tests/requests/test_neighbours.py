"""Samplers that look at images: outliers and near duplicates, against the plain definitions."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.jobs import build
from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.requests import neighbours
from unlearn.requests.neighbours import Similarities


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of a few points, and lists that run out, as with many points."""
    monkeypatch.setattr(neighbours, "CHUNK_POINTS", 7)
    monkeypatch.setattr(neighbours, "LISTED_POINTS", 2)
    monkeypatch.setattr(neighbours, "EXACT_VALUES", 500)


def facts(dataset):
    held_out = len(dataset.held_out_ids)
    return DataFacts("digits", 10, (8, 8, 1), points=len(dataset.train_labels), held_out=held_out)


def draw(dataset, kind, **parameters):
    """The deleted ids of a sampler that has been checked, in the order of its steps."""
    sampler = registry.find("requests", kind)(**parameters)
    sampler.check(Setting(data=facts(dataset)))
    request = sampler.draw(dataset)
    assert all((ids == np.sort(ids)).all() and ids.dtype == np.int64 for ids in request.deletions)
    return np.concatenate(request.deletions)


def rows_of(dataset):
    return dataset.train_images.reshape(len(dataset.train_labels), -1).astype(np.float64)


def all_similarities(dataset, centred):
    """Of the points in base training, -1 on the diagonal."""
    rows = rows_of(dataset)[dataset.base_ids]
    if centred:
        rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    products = rows @ rows.T
    np.fill_diagonal(products, -1)
    return products


def with_twins(dataset, pairs):
    """The data set with copies, of which one pixel is another: twins of some points."""
    images = np.array(dataset.train_images)
    for point, twin in pairs:
        images[twin] = images[point]
        images[twin, 0, 0, 0] += 1
    return replace(dataset, train_images=images)


# -- outliers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 40])
def test_outliers_are_farthest_from_their_class(digits, small_chunks, count):
    ids = digits.base_ids
    rows = rows_of(digits)
    scores = []
    for point in ids:
        same = ids[(digits.train_labels[ids] == digits.train_labels[point]) & (ids != point)]
        distances = np.linalg.norm(rows[same] - rows[point], axis=1)
        scores.append(np.sort(distances)[:4].mean())
    expected = ids[np.argsort(-np.array(scores), kind="stable")]
    drawn = draw(digits, "outliers", count=count, steps=count, neighbours=4)
    assert drawn.tolist() == expected[:count].tolist()


def test_a_point_that_is_made_strange_is_an_outlier(digits):
    images = np.array(digits.train_images)
    strange_id = digits.base_ids[33]
    images[strange_id] = 255 - images[strange_id]
    assert draw(replace(digits, train_images=images), "outliers", count=1).tolist() == [strange_id]


def test_outliers_of_features_are_outliers_among_features(digits):
    features = rows_of(digits)[:, None, None, :40].astype(np.float32)
    strange_id = digits.base_ids[5]
    features[strange_id] += 1000
    strange = replace(digits, train_images=features)
    assert draw(strange, "outliers", count=1).tolist() == [strange_id]


# -- near duplicates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [True, False])
def test_pairs_are_the_most_similar_ones_in_turn(digits, small_chunks, centred):
    products = all_similarities(digits, centred)
    expected = []
    for _ in range(30):
        row, column = sorted(np.unravel_index(products.argmax(), products.shape))
        expected.append((row, column))
        products[[row, column]] = -1
        products[:, [row, column]] = -1
    similarities = Similarities(digits.train_images, digits.base_ids, centred)
    pairs = [pair for pair, _ in zip(similarities.disjoint_pairs(), range(30), strict=False)]
    assert [pair[1:] for pair in pairs] == expected
    both = draw(digits, "near_duplicates", pairs=30, which="both", steps=30, centred=centred)
    assert both.reshape(30, 2).tolist() == [
        digits.base_ids[list(pair)].tolist() for pair in expected
    ]


def test_all_points_are_paired_before_the_pairs_end(digits, small_chunks):
    pairs = list(Similarities(digits.train_images, digits.base_ids, True).disjoint_pairs())
    positions = [position for pair in pairs for position in pair[1:]]
    assert sorted(positions) == list(range(len(digits.base_ids)))


def test_twins_are_pairs_and_one_of_them_stays(digits):
    first, second, third, fourth = digits.base_ids[[3, 50, 80, 120]]
    dataset = with_twins(digits, [(first, second), (third, fourth)])
    assert set(draw(dataset, "near_duplicates", pairs=2)) == {second, fourth}
    both = draw(dataset, "near_duplicates", pairs=2, which="both")
    assert set(both) == {first, second, third, fourth}


@pytest.mark.parametrize("threshold", [0.9, 0.95])
def test_after_a_threshold_no_twins_stay(digits, small_chunks, threshold):
    """`one` leaves a twin of every deleted point, `both` leaves none of a point in a pair."""
    similar = all_similarities(digits, True) >= threshold
    one = np.searchsorted(digits.base_ids, draw(digits, "near_duplicates", threshold=threshold))
    kept = np.setdiff1d(np.arange(len(similar)), one)
    assert len(one) > 3
    assert not similar[np.ix_(kept, kept)].any()
    assert similar[np.ix_(one, kept)].any(axis=1).all()
    both = draw(digits, "near_duplicates", threshold=threshold, which="both")
    assert both.tolist() == digits.base_ids[similar.any(axis=1)].tolist()


def test_a_brighter_copy_is_a_twin_of_the_centred_image_alone(digits):
    images = np.array(digits.train_images) // 2
    point, twin = digits.base_ids[[7, 70]]
    images[twin] = images[point] + 100
    brighter = replace(digits, train_images=images)
    assert set(draw(brighter, "near_duplicates", pairs=1, which="both")) == {point, twin}
    plain = draw(brighter, "near_duplicates", pairs=1, which="both", centred=False)
    assert set(plain) != {point, twin}


def test_a_blank_image_is_similar_to_none(digits):
    images = np.array(digits.train_images)
    blank_ids = digits.base_ids[[2, 9]]
    images[blank_ids] = 60
    blank = replace(digits, train_images=images)
    drawn = draw(blank, "near_duplicates", threshold=0.5, which="both")
    assert not np.isin(blank_ids, drawn).any()


# -- both --------------------------------------------------------------------------------------------

SAMPLERS = [
    ("outliers", {"count": 9}),
    ("near_duplicates", {"pairs": 9}),
    ("near_duplicates", {"threshold": 0.95, "which": "both"}),
]


@pytest.mark.parametrize(("kind", "parameters"), SAMPLERS, ids=str)
def test_neither_held_out_nor_test_points_matter(digits, kind, parameters):
    images = np.array(digits.train_images)
    images[digits.held_out_ids] = images[digits.base_ids[0]]
    other = replace(digits, train_images=images, test_images=digits.test_images[::-1])
    drawn = draw(digits, kind, **parameters)
    assert drawn.tolist() == draw(other, kind, **parameters).tolist()
    assert not np.intersect1d(drawn, digits.held_out_ids).size


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("outliers", {}, "either rate or count"),
        ("outliers", {"count": 160}, "160 points leave nothing of the 160"),
        ("outliers", {"count": 5, "steps": 6}, "6 steps are more than the 5 points"),
        ("outliers", {"count": 5, "neighbours": 16}, "neighbours: 16 is not .* fewer than the 16"),
        ("near_duplicates", {}, "give pairs or threshold"),
        ("near_duplicates", {"pairs": 0}, "pairs: 0 is not allowed"),
        ("near_duplicates", {"pairs": 2, "which": "none"}, "which: 'none' .* one, both"),
        ("near_duplicates", {"threshold": 1.5}, "threshold: 1.5 is not allowed"),
        ("near_duplicates", {"pairs": 80, "which": "both"}, "160 points leave nothing of the 160"),
        ("near_duplicates", {"pairs": 81}, "pairs: 81 is not allowed; allowed: at most 80, half"),
        ("near_duplicates", {"pairs": 3, "steps": 4}, "4 steps are more than the 3 points"),
        ("near_duplicates", {"threshold": 1e-6, "which": "both"}, "160 points leave nothing"),
        ("near_duplicates", {"threshold": 1.0}, "threshold: no pair has a similarity of 1"),
        ("near_duplicates", {"pairs": 5, "threshold": 1.0}, "at most 0, .* similarity of 1"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(digits, kind, parameters, message):
    with pytest.raises(ValueError, match=message):
        draw(digits, kind, **parameters)


def test_too_few_twins_are_counted(digits):
    a, b = digits.base_ids[[3, 50]]
    with pytest.raises(
        ValueError, match=r"at most 1, there are no more with a similarity of 0\.998"
    ):
        draw(with_twins(digits, [(a, b)]), "near_duplicates", pairs=2, threshold=0.998)


def test_a_class_with_few_points_is_named(digits):
    labels = np.array(digits.train_labels)
    labels[np.setdiff1d(np.flatnonzero(labels == 4), np.flatnonzero(labels == 4)[:4])] = 5
    with pytest.raises(ValueError, match=r"neighbours: 10 .* fewer than the \d points of class 4"):
        draw(replace(digits, train_labels=labels), "outliers", count=3)


def test_too_many_pairs_are_refused_before_they_fill_the_memory(digits, monkeypatch):
    monkeypatch.setattr(neighbours, "MAX_PAIRS", 100)
    with pytest.raises(ValueError, match=r"more than 100 pairs have a similarity of 0\.1"):
        draw(digits, "near_duplicates", threshold=0.1)


def test_images_of_many_chunks_are_the_images_of_one(small_chunks):
    """The whole of digits, once in chunks of seven points and once with the usual ones."""
    dataset = build("digits")
    drawn = draw(dataset, "near_duplicates", pairs=60, which="both", steps=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "CHUNK_POINTS", 256)
        patch.setattr(neighbours, "LISTED_POINTS", 64)
        assert (
            drawn.tolist()
            == draw(dataset, "near_duplicates", pairs=60, which="both", steps=120).tolist()
        )
