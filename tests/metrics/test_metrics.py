"""Every metric against its closed form (values worked out by hand)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unlearn.evaluation import score
from unlearn.metrics.accuracy import accuracy
from unlearn.metrics.distance import l2, relative
from unlearn.metrics.divergence import jensen_shannon, kl, log_softmax
from unlearn.metrics.ensemble import lone_accuracies, tie_fraction, vote_accuracy
from unlearn.requests.request import NOBODY, Request

logits = arrays(np.float32, (5, 4), elements=st.floats(-50, 50, width=32))


def of(*probabilities):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.array([probabilities])), -1e4)


def test_accuracy():
    assert accuracy(np.eye(3), np.arange(3)) == 1
    assert accuracy(np.zeros((4, 3)), np.array([0, 0, 1, 2])) == 0.5  # ties: lowest class
    assert accuracy(np.eye(4), np.array([0, 1, 2, 0])) == 0.75
    assert accuracy(np.zeros((0, 3)), np.zeros(0)) is None


def test_votes_by_hand():
    votes = np.array([[0, 1, 2, 2], [0, 1, 1, 0], [1, 2, 0, 0], [-1, -1, -1, -1]])
    labels = np.array([0, 1, 1, 0])
    # ballots: 0 0 1; 1 1 2; 0 1 2 (a tie, lowest class 0); 0 0 2
    assert vote_accuracy(votes, labels) == 0.75
    assert tie_fraction(votes) == 0.25
    assert lone_accuracies(votes, labels).tolist() == [0.5, 1.0, 0.25]
    assert tie_fraction(np.array([[0, 1], [1, 0]])) == 1
    for nothing in (np.empty((0, 4)), np.empty((3, 0))):
        assert vote_accuracy(nothing, labels[: nothing.shape[1]]) is None
        assert tie_fraction(nothing) is None
        assert not lone_accuracies(nothing, labels).size


def test_scores_of_a_stream_by_hand():
    """Two steps, two classes, one seed; costs and speed-ups add up, peaks and storage do not."""
    steps = list(Request([np.array([0]), np.array([2])], [NOBODY] * 2).steps(4, np.arange(4)))
    points = score.Points(np.array([0, 1, 2]), np.array([1, 2]), np.array([0, 1, 0, 1]), [1, 1])
    logits = np.array([[[[2, 0], [0, 2], [0, 2], [0, 2], [2, 0]]] * 2], float)
    votes = np.array([[[[0, 1, 1, 1, 0], [1, 1, 0, 1, 1], [-1] * 5]] * 2])

    def fleet(evaluations, seconds, votes):
        costs = [
            {
                "gradient_evaluations": n,
                "wall_seconds": s,
                "peak_memory_bytes": 9 - n,
                "bytes_stored": n,
                "diverged": False,
            }
            for n, s in zip(evaluations, seconds, strict=True)
        ]
        return score.Fleet(logits, votes, lambda k, t: {}, [], [costs])

    model, oracle = fleet([2, 3], [1.0, 3.0], votes), fleet([8, 7], [4.0, 2.0], votes[:, :, :0])
    rows = score.score(points, steps, [0], model, oracle, [{}], [{"gradient_evaluations": 5}])
    found = {(step, metric, split): value for step, _, metric, split, value in rows}
    for step, evaluations, seconds in ((1, 8 / 2, 4 / 1), (2, 15 / 5, 6 / 4)):
        assert found[step, "speedup", "forget"] == evaluations
        assert found[step, "speedup_seconds", "forget"] == seconds
    assert [found[t, "gradient_evaluations", "forget"] for t in (1, 2)] == [2, 5]
    assert [found[t, "peak_memory_bytes", "forget"] for t in (1, 2)] == [7, 7]
    assert [found[t, "bytes_stored", "forget"] for t in (1, 2)] == [2, 3]
    assert found[1, "gradient_evaluations", "learn"] == 5
    assert [found[t, "accuracy", "forget"] for t in (1, 2)] == [1, 0.5]  # 0; then 0 and 2
    assert [found[t, "accuracy", "retain"] for t in (1, 2)] == [0.5, 1]  # 1 and 2; then 1
    assert found[1, "accuracy", "test"] == 0.5
    assert found[1, "lone_accuracy", "test"] == 0.75  # 1 0 and 1 1, the third is absent
    assert found[1, "lone_accuracy_min", "test"] == 0.5
    assert found[1, "lone_accuracy_max", "test"] == 1
    assert found[1, "vote_accuracy", "test"] == 0.5  # 1 and, a tie, 0
    assert found[1, "tie_fraction", "test"] == 0.5
    assert found[1, "kl", "test"] == 0
    assert (1, "accuracy", "added") not in found


def test_kl_both_directions():
    assert kl(of(0.5, 0.5), of(0.9, 0.1)) == pytest.approx(0.5108, abs=1e-4)
    assert kl(of(0.9, 0.1), of(0.5, 0.5)) == pytest.approx(0.3681, abs=1e-4)


def test_kl_of_saturated_logits_is_finite():
    a = np.array([[1e4, 0]], np.float32)
    assert kl(a, a[:, ::-1]) == pytest.approx(1e4)


@pytest.mark.parametrize(
    ("p", "q", "value"),
    [
        ((0.7, 0.1, 0.1, 0.1), (0.1, 0.1, 0.1, 0.7), 0.2531),
        ((1, 0), (0, 1), math.log(2)),
        ((1, 0), (0.5, 0.5), 0.2158),
    ],
)
def test_jensen_shannon(p, q, value):
    """The divergence that the field copies around, divided by N times C, gives .083 for .2531."""
    assert jensen_shannon(of(*p), of(*q)) == pytest.approx(value, abs=1e-4)


def test_jensen_shannon_of_saturated_float32():
    a = np.array([[1e4, 0, -1e4]], np.float32)
    assert jensen_shannon(a, a[:, ::-1]) == pytest.approx(math.log(2))


@given(logits, logits)
def test_divergences_do_not_depend_on_offsets_or_copies(a, b):
    shifted = a + np.arange(5, dtype=np.float32)[:, None]
    for metric in (kl, jensen_shannon):
        value = metric(a, b)
        assert metric(shifted, b) == pytest.approx(value, abs=1e-4)
        assert metric(np.tile(a, (3, 1)), np.tile(b, (3, 1))) == pytest.approx(value, rel=1e-9)


@given(logits, logits)
def test_ranges(a, b):
    assert kl(a, b) >= 0
    assert kl(a, a) == 0
    assert 0 <= jensen_shannon(a, b) <= math.log(2)
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a), abs=1e-12)
    assert np.exp(log_softmax(a)).sum(axis=1) == pytest.approx(np.ones(5))


def test_broken_logits_have_no_value_that_looks_right():
    good, bad = np.zeros((2, 3)), np.full((2, 3), np.nan)
    for metric in (kl, jensen_shannon):
        assert math.isnan(metric(good, bad)) and math.isnan(metric(bad, good))


def test_empty_sets_have_no_value():
    none = np.zeros((0, 3))
    assert kl(none, none) is None and jensen_shannon(none, none) is None


def test_l2():
    a, b = {"w": np.array([3.0, 4.0])}, {"w": np.zeros(2)}
    assert l2(a, b, ["w"]) == 5
    assert l2(a, b, []) is None
    assert l2(a, {"v": np.zeros(2)}, ["w"]) is None
    assert l2(a, {"w": np.zeros(3)}, ["w"]) is None


def test_relative_l2():
    original, oracle = {"w": np.array([2.0, 0.0])}, {"w": np.zeros(2)}
    half = {"w": np.array([1.0, 0.0])}
    reference = l2(original, oracle, ["w"])
    assert relative(l2(original, oracle, ["w"]), reference) == 1
    assert relative(l2(half, oracle, ["w"]), reference) == 0.5
    assert relative(l2(oracle, oracle, ["w"]), reference) == 0
    assert relative(0.0, 0.0) is None
