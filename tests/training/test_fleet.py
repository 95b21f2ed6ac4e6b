"""Members of a fleet, and the subsets that they are trained on."""

import json

import numpy as np
import pytest

from unlearn.training.fleet import Member, Subset

BASE_IDS = np.setdiff1d(np.arange(1000), np.arange(0, 1000, 7))


def test_a_subset_is_a_sorted_share_of_base_training():
    ids = Subset(0.3, draw=4).ids(BASE_IDS)
    assert len(ids) == round(0.3 * len(BASE_IDS))
    assert np.array_equal(ids, np.unique(ids)) and np.isin(ids, BASE_IDS).all()


def test_a_subset_is_a_function_of_its_draw():
    one, again, other = (Subset(0.5, draw).ids(BASE_IDS) for draw in (1, 1, 2))
    assert np.array_equal(one, again)
    share = len(np.intersect1d(one, other)) / len(one)
    assert share == pytest.approx(0.5, abs=0.1)  # independent of each other


def test_smaller_subsets_of_a_draw_lie_in_larger_ones():
    small, large = (Subset(fraction, draw=3).ids(BASE_IDS) for fraction in (0.2, 0.7))
    assert set(small) < set(large)


def test_a_point_less_in_base_training_moves_no_other():
    whole = set(Subset(0.5, draw=0).ids(BASE_IDS))
    fewer = set(Subset(0.5, draw=0).ids(BASE_IDS[1:]))
    assert len(whole ^ fewer) <= 2


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan")])
def test_a_fraction_lies_between_0_and_1(fraction):
    with pytest.raises(ValueError, match=r"fraction: .* is not allowed; allowed: between 0 and 1"):
        Subset(fraction, draw=0)


def test_a_member_is_trained_on_base_training_or_on_its_subset():
    assert Member(3).train_ids(BASE_IDS) is BASE_IDS
    subset = Subset(0.5, draw=2)
    ids = Member(3, subset).train_ids(BASE_IDS)
    assert np.array_equal(ids, subset.ids(BASE_IDS))
    assert np.array_equal(ids, Member(4, subset).train_ids(BASE_IDS))


@pytest.mark.parametrize("member", [Member(3), Member(0, Subset(0.25, draw=7))], ids=str)
def test_a_member_is_read_back_from_its_description(member):
    described = member.describe()
    assert Member.read(json.loads(json.dumps(described))) == member
    assert Member.read({"seed": 5}) == Member(5)


@pytest.mark.parametrize(("fraction", "times"), [(0.7, 3), (0.5, 5), (0.9, 1)])
def test_ten_turns_leave_out_every_point_equally_often(fraction, times):
    subsets = [Subset(fraction, draw=2, turn=turn).ids(BASE_IDS) for turn in range(10)]
    absences = sum(np.isin(BASE_IDS, ids, invert=True).astype(int) for ids in subsets)
    assert absences.tolist() == [times] * len(BASE_IDS)
    for ids in subsets:
        assert np.array_equal(ids, np.unique(ids)) and np.isin(ids, BASE_IDS).all()
        assert abs(len(ids) - fraction * len(BASE_IDS)) <= 1


def test_a_member_with_a_turn_is_read_again_and_others_are_described_as_ever():
    member = Member(3, Subset(0.7, draw=1, turn=4))
    assert Member.read(json.loads(json.dumps(member.describe()))) == member
    plain = Member(3, Subset(0.7, draw=1)).describe()
    assert plain == {"seed": 3, "subset": {"fraction": 0.7, "draw": 1}}
