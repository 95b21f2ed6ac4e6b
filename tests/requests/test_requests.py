"""Samplers draw what they say; requests replay step by step."""

import importlib

import numpy as np
import pytest
from scipy import stats

from unlearn.core import seeding
from unlearn.partitions import request_prior, sharding
from unlearn.requests.request import NOBODY, Request
from unlearn.storage.files import ArtifactError
from unlearn.storage.request import read_request, write_request
from unlearn.study import schema

LABELS = np.repeat(np.arange(10), 20)
HELD_OUT = np.arange(0, 200, 7)


def draw(sampler, held_out=HELD_OUT, **parameters):
    module = importlib.import_module(f"unlearn.requests.request.{sampler}")
    full = schema.with_defaults(parameters, schema.read("samplers")[sampler])
    module.check(len(LABELS), 10, len(held_out), **full)
    return module.draw(LABELS, held_out, **full)


def test_random_is_nested_and_spares_held_out_points():
    small, large = draw("random", rate=0.05), draw("random", rate=0.5)
    assert set(small.deletions[0]) < set(large.deletions[0])
    assert not np.intersect1d(large.deletions[0], HELD_OUT).size
    assert len(large.deletions[0]) == round(0.5 * (200 - len(HELD_OUT)))


def test_random_depends_on_its_seed_only():
    assert np.array_equal(
        draw("random", count=9).deletions[0], draw("random", count=9).deletions[0]
    )
    other = draw("random", count=9, seed=1).deletions[0]
    assert not np.array_equal(draw("random", count=9).deletions[0], other)


def test_random_is_uniform():
    hits = np.zeros(200)
    for seed in range(300):
        hits[draw("random", np.empty(0, int), count=20, seed=seed).deletions[0]] += 1
    expected = 300 * 20 / 200
    chi_square = ((hits - expected) ** 2 / (expected * 0.9)).sum()
    assert 130 < chi_square < 280  # 199 degrees of freedom, about +-3.5 sd


def test_stream_cuts_the_same_points_into_steps():
    whole, stream = draw("random", count=10), draw("random", count=10, steps=4)
    assert [len(part) for part in stream.deletions] == [3, 3, 2, 2]
    assert np.array_equal(np.sort(np.concatenate(stream.deletions)), whole.deletions[0])


def test_class_takes_the_class():
    chosen = draw("class", label=3).deletions[0]
    assert set(chosen) == set(np.flatnonzero(LABELS == 3)) - set(HELD_OUT)
    half = draw("class", label=3, fraction=0.5).deletions[0]
    assert set(half) < set(chosen) and len(half) == round(len(chosen) / 2)


def test_held_out_adds_what_was_kept_out():
    request = draw("held_out", count=5)
    assert set(request.additions[0]) <= set(HELD_OUT) and len(request.additions[0]) == 5
    assert not request.deletions[0].size


@pytest.mark.parametrize("sampler", ["pareto", "exponential", "adversarial"])
@pytest.mark.parametrize("count", [1, 7, 100])
def test_streams_have_distinct_valid_points_and_are_nested(sampler, count):
    whole = np.concatenate(draw(sampler, count=count).deletions)
    stream = draw(sampler, count=count, steps=count).deletions
    assert len(whole) == len(np.unique(whole)) == count == len(stream)
    assert np.array_equal(np.sort(np.concatenate(stream)), whole)
    assert not np.intersect1d(whole, HELD_OUT).size and whole.max() < 200
    larger = draw(sampler, count=101, steps=101).deletions
    assert np.array_equal(np.concatenate(stream), np.concatenate(larger)[:count])


@pytest.mark.parametrize(("sampler", "shape"), [("pareto", 1.16), ("exponential", 0.05)])
def test_skewed_requests_follow_their_law(sampler, shape):
    """The first draw is by the prior, the second by what is left of it."""
    nobody = np.empty(0, int)
    first, second = np.zeros(200), np.zeros((3, 200))
    likely = np.argsort(
        -request_prior.probabilities(sampler, np.arange(200), 0, shape), kind="stable"
    )
    for seed in range(3000):
        a, b = np.concatenate(draw(sampler, nobody, count=2, steps=2, seed=seed).deletions)
        first[a] += 1
        if a in likely[:3]:
            second[list(likely[:3]).index(a), b] += 1
    rank = np.arange(200)
    law = {
        "pareto": (rank + 1.0) ** -(shape + 1),
        "exponential": np.exp(rank * np.log(shape) / 200),
    }[sampler]
    law /= law.sum()
    assert stats.chisquare(*grouped(first[likely], law)).pvalue > 1e-3
    for place in range(3):
        left = law * (rank != place)
        assert second[place][likely[place]] == 0
        if second[place].sum() > 100:
            counts, expected = grouped(second[place][likely], left / left.sum())
            assert stats.chisquare(counts, expected).pvalue > 1e-3


def grouped(counts, law):
    """Counts and their expectation, with neighbours added up until 20 are expected."""
    expected = law * counts.sum()
    group = (np.cumsum(expected) / 20).astype(int)
    sums = [np.bincount(group, weights=w) for w in (counts, expected)]
    kept = sums[1] > 5
    rest = [s[~kept].sum() for s in sums]
    return tuple(
        np.append(s[kept], [r] if rest[1] > 1e-9 else []) for s, r in zip(sums, rest, strict=True)
    )


def test_the_ranking_is_shared_and_the_draws_are_not():
    one, two = (draw("pareto", count=50, seed=s).deletions[0] for s in (0, 1))
    other = draw("pareto", count=50, seed=0, ranking_seed=1).deletions[0]
    assert len(np.intersect1d(one, two)) > len(np.intersect1d(one, other))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("partition", ["uniform", "label"])
def test_adversarial_requests_touch_every_shard_in_turn(partition):
    request = draw("adversarial", count=20, steps=20, shards=10, partition=partition)
    order = np.concatenate(request.deletions)
    points = sharding.Points(LABELS, np.setdiff1d(np.arange(200), HELD_OUT), 10)
    cut = {"partition": partition, "shards": 10, "partition_seed": 0}
    shard_of = sharding.shards_of(points, **cut)
    assert sorted(shard_of[order[:10]]) == sorted(shard_of[order[10:]]) == list(range(10))
    rules = schema.with_defaults({"slices": 5} | cut, schema.read("trainers")["sisa"])
    for name in ("aggregation", "tie", "weights"):
        del rules[name]
    places = sharding.assignment(points, points.base, **rules)
    slices = sharding.layout(places, 10, 5)
    first = np.concatenate([parts[0] for parts in slices])
    assert np.isin(order, first).all()  # what costs most comes first


def test_weighted_draws_do_not_depend_on_the_order_of_ids():
    ids = np.arange(50)
    p = request_prior.probabilities("pareto", ids, 3, 1.16)
    turned = seeding.shuffled(ids, 1)
    assert np.array_equal(request_prior.drawn(ids, p, 5), request_prior.drawn(turned, p[turned], 5))
    assert np.array_equal(request_prior.probabilities("pareto", turned, 3, 1.16), p[turned])


@pytest.mark.parametrize(
    ("sampler", "parameters", "message"),
    [
        ("pareto", {"count": 171}, "leave nothing"),
        ("exponential", {}, "either rate or count"),
        ("adversarial", {"count": 3, "shards": 172}, "shards: 172 are more than the 171 points"),
        ("adversarial", {"count": 3, "shards": 12, "partition": "label"}, "multiple of 10"),
        ("random", {"rate": 0.001}, "selects no point"),
        ("random", {"count": 171}, "leave nothing"),
        ("random", {"count": 3, "steps": 4}, "4 steps"),
        ("random", {}, "either rate or count"),
        ("class", {"label": 10}, "classes go from 0 to 9"),
        ("held_out", {"count": 30}, "29 are held out"),
    ],
)
def test_bad_parameters(sampler, parameters, message):
    with pytest.raises(ValueError, match=message):
        draw(sampler, **parameters)


def ids(*values):
    return np.array(values, dtype=np.int64)


def test_steps_accumulate():
    request = Request([ids(1, 2), NOBODY, ids(8)], [NOBODY, ids(8, 9), ids(2)])
    first, second, third = request.steps(10, np.arange(8))
    assert first.forget.tolist() == [1, 2] and first.retain.tolist() == [0, 3, 4, 5, 6, 7]
    assert second.added.tolist() == [8, 9] and second.deleted.size == 0
    assert third.before.tolist() == [0, 3, 4, 5, 6, 7, 8, 9]
    assert third.retain.tolist() == [0, 2, 3, 4, 5, 6, 7, 9]
    assert third.forget.tolist() == [1]  # 2 came back
    assert third.added.tolist() == [9]  # 8 came and went


@pytest.mark.parametrize(
    ("out", "new", "message"),
    [
        (ids(10), NOBODY, "ids go from 0 to 9"),
        (ids(-1), NOBODY, "cannot delete point -1"),
        (ids(8), NOBODY, "not in the training set"),
        (NOBODY, ids(3), "in the training set already"),
        (ids(3, 3), NOBODY, "twice"),
    ],
)
def test_requests_outside_the_data_are_refused(out, new, message):
    with pytest.raises(ValueError, match=message):
        list(Request([out], [new]).steps(10, np.arange(8)))


def test_files_keep_requests_and_refuse_other_data(tmp_path):
    request, path = draw("random", count=10, steps=3), tmp_path / "request.npz"
    write_request(path, request, "abc", {"count": 10})
    again = read_request(path, "abc")
    for a, b in zip(request.deletions, again.deletions, strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ArtifactError, match="another data set"):
        read_request(path, "def")
    first = path.read_bytes()
    write_request(path, request, "abc", {"count": 10})
    assert path.read_bytes() == first
