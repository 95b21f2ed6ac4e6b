"""Every metric against its closed form (values worked out by hand)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unlearn.metrics.accuracy import accuracy, accuracy_gap, loss_gap, losses, mean_loss
from unlearn.metrics.distance import l2, relative
from unlearn.metrics.divergence import jensen_shannon, kl, log_softmax
from unlearn.metrics.ensemble import lone_accuracies, tie_fraction, vote_accuracy
from unlearn.metrics.loss_attack import attack_auc, loss_attack_auc

LOGITS = arrays(np.float32, (5, 4), elements=st.floats(-50, 50, width=32))


def logits(*probabilities):
    """Logits 1 x C of one point with these probabilities."""
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
    for empty in (np.empty((0, 4)), np.empty((3, 0))):
        assert vote_accuracy(empty, labels[: empty.shape[1]]) is None
        assert tie_fraction(empty) is None
        assert not lone_accuracies(empty, labels).size


def test_kl_both_directions():
    assert kl(logits(0.5, 0.5), logits(0.9, 0.1)) == pytest.approx(0.5108, abs=1e-4)
    assert kl(logits(0.9, 0.1), logits(0.5, 0.5)) == pytest.approx(0.3681, abs=1e-4)


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
    assert jensen_shannon(logits(*p), logits(*q)) == pytest.approx(value, abs=1e-4)


def test_jensen_shannon_of_saturated_float32():
    a = np.array([[1e4, 0, -1e4]], np.float32)
    assert jensen_shannon(a, a[:, ::-1]) == pytest.approx(math.log(2))


@given(LOGITS, LOGITS)
def test_divergences_do_not_depend_on_offsets_or_copies(a, b):
    shifted = a + np.arange(5, dtype=np.float32)[:, None]
    for metric in (kl, jensen_shannon):
        value = metric(a, b)
        assert metric(shifted, b) == pytest.approx(value, abs=1e-4)
        assert metric(np.tile(a, (3, 1)), np.tile(b, (3, 1))) == pytest.approx(value, rel=1e-9)


@given(LOGITS, LOGITS)
def test_ranges(a, b):
    assert kl(a, b) >= 0
    assert kl(a, a) == 0
    assert 0 <= jensen_shannon(a, b) <= math.log(2)
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a), abs=1e-12)
    assert np.exp(log_softmax(a)).sum(axis=1) == pytest.approx(np.ones(5))


def test_broken_logits_have_no_value_that_looks_right():
    finite = np.zeros((2, 3))
    broken = np.full((2, 3), np.nan)
    for metric in (kl, jensen_shannon):
        assert math.isnan(metric(finite, broken)) and math.isnan(metric(broken, finite))


def test_empty_sets_have_no_value():
    empty = np.zeros((0, 3))
    assert kl(empty, empty) is None and jensen_shannon(empty, empty) is None


def test_l2():
    a = {"w": np.array([3.0, 4.0])}
    b = {"w": np.zeros(2)}
    assert l2(a, b, ["w"]) == 5
    assert l2(a, b, []) is None
    assert l2(a, {"v": np.zeros(2)}, ["w"]) is None
    assert l2(a, {"w": np.zeros(3)}, ["w"]) is None


def test_relative_l2():
    original = {"w": np.array([2.0, 0.0])}
    oracle = {"w": np.zeros(2)}
    half = {"w": np.array([1.0, 0.0])}
    reference = l2(original, oracle, ["w"])
    assert relative(l2(original, oracle, ["w"]), reference) == 1
    assert relative(l2(half, oracle, ["w"]), reference) == 0.5
    assert relative(l2(oracle, oracle, ["w"]), reference) == 0
    assert relative(0.0, 0.0) is None


def test_gaps_are_positive_where_the_model_has_more():
    labels = np.array([0, 0, 1, 1])
    reference = np.array([[2.0, 0], [0, 2], [0, 2], [2, 0]])  # 2 of 4 are right
    model = np.array([[2.0, 0], [2, 0], [0, 2], [2, 0]])  # 3 of 4 are right
    assert accuracy_gap(reference, model, labels) == 0.25
    # one point goes from a loss of ln(1 + e^2) to one of ln(1 + e^-2), which is lower by 2
    assert loss_gap(reference, model, labels) == pytest.approx(-2 / 4)
    assert mean_loss(model[:1], labels[:1]) == pytest.approx(math.log1p(math.exp(-2)))
    empty = np.zeros((0, 2))
    assert accuracy_gap(empty, empty, labels[:0]) is None
    assert loss_gap(empty, empty, labels[:0]) is None


def test_the_attack_by_loss_compares_points_of_one_class():
    losses = np.array([0.1, 0.2, 5.0])
    classes = np.array([0, 0, 1])
    test_losses = np.array([0.3, 0.2, 6.0, 9.0])
    test_classes = np.array([0, 0, 1, 2])
    # class 0: .1 is below both, .2 below one and ties with one; class 1: below its only one
    expected = (1 + 0.75 + 1) / 3
    assert attack_auc(losses, classes, test_losses, test_classes) == pytest.approx(expected)
    assert attack_auc(losses, classes, losses, classes) == 0.5
    assert attack_auc(losses, classes, test_losses[-1:], test_classes[-1:]) is None


MARGINS = (-800.0, -40.0, -1.0, 0.0, 1.0, 20.0, 30.0, 37.5, 40.0, 700.0)
"""How far the label's logit lies above that of the only other class."""


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("offset", [0.0, 64.0])
def test_a_loss_has_all_its_digits_at_every_margin(margin, offset):
    """ln(1 + e^-m); one minus a probability would be 0 from a margin of 37 on."""
    point = np.array([[offset + margin, offset]], np.float32)
    expected = math.log1p(math.exp(-margin)) if margin > -700 else -margin
    assert losses(point, np.array([0])).item() == pytest.approx(expected, rel=1e-12, abs=0)
    assert mean_loss(point, np.array([0])) == pytest.approx(expected, rel=1e-12, abs=0)


def test_a_loss_adds_up_all_other_classes():
    """Nine classes that are 30 below: ln(1 + 9 e^-30)."""
    point = np.full((1, 10), -30.0, np.float32)
    point[0, 3] = 0
    value = losses(point, np.array([3])).item()
    assert value == pytest.approx(9 * math.exp(-30), rel=1e-9, abs=0)
    assert losses(np.array([[7.0]]), np.array([0])).item() == 0
    assert math.isnan(losses(np.array([[np.nan, 0]]), np.array([1])).item())


@pytest.mark.parametrize("margins", [(20, 30, 40), (40, 50, 60), (800, 900, 1000)])
def test_saturated_losses_do_not_tie_in_the_attack(margins):
    """Points with margins on both sides of a test point's: one of two is told from it."""
    low, middle, high = (np.array([[margin, 0]], np.float32) for margin in margins)
    label = np.array([0])
    labels = np.array([0, 0])
    assert loss_attack_auc(high, label, middle, label) == 1
    assert loss_attack_auc(low, label, middle, label) == 0
    assert loss_attack_auc(np.concatenate([middle, high]), labels, middle, label) == 0.75
