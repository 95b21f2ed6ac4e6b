"""Samplers draw what they say; requests replay step by step."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from unlearn.core import registry, seeding
from unlearn.core.setting import DataFacts, Setting
from unlearn.partitions import request_prior, sharding
from unlearn.requests.request import NO_IDS, Request
from unlearn.storage.files import ArtifactError, read_ids
from unlearn.storage.request import read_request, write_request

LABELS = np.repeat(np.arange(10), 20)
HELD_OUT = np.arange(0, 200, 7)


@dataclass(frozen=True)
class Points:
    """What samplers look at: 200 points of ten classes."""

    held_out_ids: np.ndarray

    @property
    def train_labels(self):
        return LABELS

    @property
    def base_ids(self):
        return np.setdiff1d(np.arange(len(LABELS)), self.held_out_ids)

    @property
    def noised_ids(self):
        return self.base_ids[:0]

    def ids_of_source(self, source_ids):
        return source_ids


def facts(held_out=HELD_OUT):
    return DataFacts("made up", 10, (8, 8, 1), points=len(LABELS), held_out=len(held_out))


def draw(kind, held_out=HELD_OUT, **parameters):
    """The request of a sampler that has been checked."""
    sampler = registry.find("requests", kind)(**parameters)
    sampler.check(Setting(data=facts(held_out)))
    return sampler.draw(Points(held_out))


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
    chosen = draw("by_class", label=3).deletions[0]
    assert set(chosen) == set(np.flatnonzero(LABELS == 3)) - set(HELD_OUT)
    half = draw("by_class", label=3, fraction=0.5).deletions[0]
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
    first, second = np.zeros(200), np.zeros((3, 200))
    likely = np.argsort(
        -request_prior.probabilities(sampler, np.arange(200), 0, shape), kind="stable"
    )
    for seed in range(3000):
        a, b = np.concatenate(draw(sampler, NO_IDS, count=2, steps=2, seed=seed).deletions)
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
    points = sharding.PartitionedPoints(LABELS, np.setdiff1d(np.arange(200), HELD_OUT), 10)
    cut = {"partition": partition, "shards": 10, "partition_seed": 0}
    shard_of = sharding.shards_of(points, **cut)
    assert sorted(shard_of[order[:10]]) == sorted(shard_of[order[10:]]) == list(range(10))
    trainer = registry.find("trainers", "sisa")(slices=5, **cut)
    options = trainer.partition_options()
    places = sharding.assignment(points, points.base_ids, trainer.shards, trainer.slices, **options)
    slices = sharding.layout(places, 10, 5)
    first = np.concatenate([parts[0] for parts in slices])
    assert np.isin(order, first).all()  # what costs most comes first


def test_weighted_draws_do_not_depend_on_the_order_of_ids():
    ids = np.arange(50)
    p = request_prior.probabilities("pareto", ids, 3, 1.16)
    turned = seeding.shuffled(ids, 1)
    assert np.array_equal(
        request_prior.successive_draws(ids, p, 5),
        request_prior.successive_draws(turned, p[turned], 5),
    )
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
        ("by_class", {"label": 10}, "classes go from 0 to 9"),
        ("held_out", {"count": 30}, "29 are held out"),
    ],
)
def test_bad_parameters(sampler, parameters, message):
    with pytest.raises(ValueError, match=message):
        draw(sampler, **parameters)


def ids(*values):
    return np.array(values, dtype=np.int64)


def test_steps_accumulate():
    request = Request([ids(1, 2), NO_IDS, ids(8)], [NO_IDS, ids(8, 9), ids(2)])
    first, second, third = request.steps(10, np.arange(8))
    assert first.forget_ids.tolist() == [1, 2] and first.retain_ids.tolist() == [0, 3, 4, 5, 6, 7]
    assert second.added_ids.tolist() == [8, 9] and second.deleted_ids.size == 0
    assert third.previous_ids.tolist() == [0, 3, 4, 5, 6, 7, 8, 9]
    assert third.retain_ids.tolist() == [0, 2, 3, 4, 5, 6, 7, 9]
    assert third.forget_ids.tolist() == [1]  # 2 came back
    assert third.added_ids.tolist() == [9]  # 8 came and went


@pytest.mark.parametrize(
    ("out", "new", "message"),
    [
        (ids(10), NO_IDS, "ids go from 0 to 9"),
        (ids(-1), NO_IDS, "cannot delete point -1"),
        (ids(8), NO_IDS, "not in the training set"),
        (NO_IDS, ids(3), "in the training set already"),
        (ids(3, 3), NO_IDS, "twice"),
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


def test_a_request_for_a_member_deletes_its_own_points_only():
    request = Request([ids(1, 2, 5), ids(3)], [NO_IDS, ids(8)]).within(ids(0, 2, 3, 4))
    assert [part.tolist() for part in request.deletions] == [[2], [3]]
    assert [part.tolist() for part in request.additions] == [[], [8]]


# -- requests by id ----------------------------------------------------------------------------------


def from_file(path, steps=1):
    """The checked request of a file, as a job reads it."""
    sampler = registry.find("requests", "ids")(file=str(path), steps=steps)
    assert sampler.files() == (str(path),)
    sampler = sampler.with_ids(read_ids(path))
    assert sampler.files() == ()
    sampler.check(Setting(data=facts()))
    return sampler.draw(Points(HELD_OUT))


def test_ids_are_deleted_in_their_order():
    request = draw("ids", ids=[9, 3, 12, 5], steps=2)
    assert [part.tolist() for part in request.deletions] == [[3, 9], [5, 12]]
    assert all(not part.size and part.dtype == np.int64 for part in request.additions)
    assert all(part.dtype == np.int64 for part in request.deletions)


def test_a_file_of_ids_is_the_list_of_its_lines(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("9\n\n 3 \n12\n5\n")
    request = from_file(path, steps=2)
    assert [part.tolist() for part in request.deletions] == [[3, 9], [5, 12]]


def test_a_file_that_is_not_read_yet_has_no_points(tmp_path):
    sampler = registry.find("requests", "ids")(file="ids.txt")
    sampler.check(Setting(data=facts()))
    with pytest.raises(ValueError, match=r"file: ids.txt is not read yet"):
        sampler.draw(Points(HELD_OUT))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "give either ids or file"),
        ({"ids": [1], "file": "ids.txt"}, "give either ids or file"),
        ({"ids": [1, 200]}, "ids: 200 is not allowed; allowed: 0 to 199"),
        ({"ids": [-1]}, "ids: -1 is not allowed; allowed: whole numbers from 0"),
        ({"ids": [1, True]}, "ids: True is not allowed"),
        ({"ids": [1, 2.5]}, r"ids: 2\.5 is not allowed"),
        ({"ids": ["1"]}, "ids: '1' is not allowed"),
        ({"ids": [4, 5, 4]}, "ids: an id is given twice"),
        ({"ids": []}, "ids: .*no id"),
        ({"ids": [int(i) for i in np.setdiff1d(np.arange(200), HELD_OUT)]}, "leave nothing"),
        ({"ids": list(range(200))}, "leave nothing"),
        ({"ids": [1, 2], "steps": 3}, "3 steps are more than the 2 points"),
    ],
    ids=str,
)
def test_ids_that_cannot_be_deleted_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        draw("ids", **parameters)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no id"),
        ("\n\n", "no id"),
        ("1\n2\nx7\n", r"ids\.txt, line 3: 'x7' is no id; allowed: 0, 1, 2"),
        ("1\n-2\n", "line 2: '-2' is no id"),
        ("1, 2\n", "line 1: '1, 2' is no id"),
        ("1.0\n", r"line 1: '1\.0' is no id"),
        ("1\n1\n", "an id is given twice"),
        ("9" * 30 + "\n", r"line 1: '9+' is no id"),
        ("\u0663\n", "line 1: .* is no id"),
        ("1\n200\n", "200 is not allowed; allowed: 0 to 199"),
    ],
    ids=repr,
)
def test_a_file_that_cannot_be_a_request_is_refused(tmp_path, text, message):
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        from_file(path)


def test_a_missing_file_of_ids_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"ids\.txt: cannot be read: No such file"):
        from_file(tmp_path / "ids.txt")


def test_a_file_of_anything_but_text_is_named(tmp_path):
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(ValueError, match=r"ids\.txt: cannot be read: it is no text in UTF-8"):
        from_file(tmp_path / "ids.txt")


def test_a_file_is_checked_when_it_is_drawn(tmp_path):
    """The plan has not read it."""
    path = tmp_path / "ids.txt"
    path.write_text("1\n2\n")
    sampler = registry.find("requests", "ids")(file=str(path), steps=3).with_ids(read_ids(path))
    with pytest.raises(ValueError, match="3 steps are more than the 2 points"):
        sampler.draw(Points(HELD_OUT))


def test_a_held_out_point_is_refused_when_the_request_is_replayed():
    request = draw("ids", ids=[int(HELD_OUT[1])])
    with pytest.raises(ValueError, match="not in the training set"):
        list(request.steps(len(LABELS), Points(HELD_OUT).base_ids))
