"""The objectives of tuning, on outputs made by hand."""

import numpy as np
import pytest

from unlearn.evaluation.trials import (
    JudgedPoints,
    Judgement,
    Trial,
    best,
    judged_by_oracle,
    judged_by_validation,
)

CLASSES = 3


def logits(predicted, confidence=4.0):
    """Outputs that predict these classes, with losses that differ from point to point."""
    outputs = np.zeros((len(predicted), CLASSES))
    spread = np.linspace(0, 1, len(predicted))
    outputs[np.arange(len(predicted)), predicted] = confidence + spread
    return outputs


def points(forget_labels, validation_classes, retained=(0, 1, 2), forget_classes=None):
    forget_labels = np.array(forget_labels)
    count = len(forget_labels)
    return JudgedPoints(
        forget_rows=np.arange(count),
        forget_labels=forget_labels,
        forget_classes=forget_labels if forget_classes is None else np.array(forget_classes),
        validation_rows=count + np.arange(len(validation_classes)),
        validation_classes=np.array(validation_classes),
        retained_classes=frozenset(retained),
    )


def test_deleted_points_that_are_predicted_like_validation_points_are_right():
    chosen = points([0, 1, 0, 1], [0, 1, 0, 1])
    outputs = np.concatenate([logits([0, 1, 1, 1])] * 2)
    judgement = judged_by_validation(outputs, outputs, chosen)
    assert judgement == Judgement(0, 0, 0)


def test_deleted_points_that_are_predicted_better_are_not():
    chosen = points([0] * 4, [0] * 4)
    outputs = np.concatenate([logits([0] * 4), logits([0, 1, 1, 1])])
    judgement = judged_by_validation(outputs, outputs, chosen)
    assert judgement.forget_gap == 0.75
    assert judgement.distribution_gap > 0.5


def test_forgetting_too_much_is_as_wrong_as_too_little():
    chosen = points([0] * 4, [0] * 4)
    outputs = np.concatenate([logits([1] * 4, 9.0), logits([0] * 4)])
    judgement = judged_by_validation(outputs, outputs, chosen)
    assert judgement.forget_gap == judgement.distribution_gap == 1


def test_deleted_points_are_compared_with_points_of_their_class():
    """Class 2 is hard for everybody; that its points are deleted is no sign of forgetting."""
    chosen = points([2] * 4, [0] * 6 + [2] * 2)
    outputs = logits([2, 2, 1, 1] + [0] * 6 + [2, 1])
    assert judged_by_validation(outputs, outputs, chosen).forget_gap == 0


def test_a_class_of_which_nothing_is_left_must_not_be_predicted():
    chosen = points([0] * 4, [0, 0, 1, 1], retained=(1, 2))
    keeps = logits([0] * 4 + [0, 0, 1, 1], 30.0)
    forgets = logits([1] * 4 + [1, 1, 1, 1], 30.0)
    assert judged_by_validation(keeps, keeps, chosen).objective == pytest.approx(2)
    judgement = judged_by_validation(forgets, keeps, chosen)
    assert judgement.objective == pytest.approx(0)
    assert judgement.utility_lost == 0  # validation points of that class do not count


def test_half_forgotten_is_better_than_not_forgotten_where_accuracy_sees_nothing():
    chosen = points([0] * 4, [1, 1], retained=(1, 2))
    sure, unsure = (logits([0] * 4 + [1, 1], confidence) for confidence in (9.0, 0.5))
    assert (
        judged_by_validation(unsure, sure, chosen).objective
        < judged_by_validation(sure, sure, chosen).objective
    )


def test_utility_counts_only_where_it_is_lost():
    chosen = points([0], [0, 1, 1, 1])
    good, bad = logits([0, 0, 1, 1, 1]), logits([0, 0, 1, 2, 2])
    assert judged_by_validation(bad, good, chosen).utility_lost == 0.5
    assert judged_by_validation(good, bad, chosen).utility_lost == 0


def test_wrong_labels_should_be_predicted_as_often_as_for_points_with_the_true_class():
    chosen = points([1, 1, 1, 1], [0, 0, 1, 1], forget_classes=[0, 0, 0, 0])
    remembers = logits([1] * 4 + [0, 0, 1, 1])
    forgets = logits([0] * 4 + [0, 0, 1, 1])
    assert judged_by_validation(remembers, remembers, chosen).forget_gap == 1
    assert judged_by_validation(forgets, forgets, chosen).forget_gap == 0


def test_the_oracle_itself_is_right_and_doing_nothing_is_not():
    chosen = points([0] * 4, [0, 0, 1, 1])
    oracle = logits([0, 1, 1, 1, 0, 0, 1, 1])
    nothing = logits([0] * 4 + [0, 0, 1, 2], 9.0)
    assert judged_by_oracle(oracle, oracle, chosen) == Judgement(0, 0, 0)
    judgement = judged_by_oracle(nothing, oracle, chosen)
    assert (judgement.forget_gap, judgement.utility_lost) == (0.75, 0.25)
    assert judgement.distribution_gap == 1


def test_points_of_classes_without_validation_points_cannot_be_judged():
    message = "the validation split has no point of the deleted points' classes: 2"
    assert points([2, 2], [0, 1]).problem("validation") == message
    assert points([2, 2], [0, 1]).problem("oracle") == ""
    assert points([2, 2, 0], [0, 1]).problem("validation") == ""
    # a class that is removed is compared with nothing
    assert points([2, 2], [0, 1], retained=(0, 1)).problem("validation") == ""


@pytest.mark.parametrize("track", ["validation", "oracle"])
def test_utility_needs_validation_points_of_classes_that_are_left(track):
    message = "the validation split has no point of a class that is left"
    assert points([2], [2], retained=(0, 1)).problem(track) == message


def trial(objective, cost=1.0, problem=""):
    return Trial([Judgement(objective, 0, 0)], cost, problem)


def test_the_best_trial_is_the_lowest_then_the_cheapest_then_the_first():
    assert best([trial(0.2), trial(0.1), trial(0.3)]) == 1
    assert best([trial(0.1, 5), trial(0.1, 2), trial(0.1, 2)]) == 1


def test_a_trial_with_a_problem_is_never_chosen():
    assert best([trial(0.2), trial(0.1, problem="1 of 3 models diverged")]) == 0
    assert best([trial(0.1, problem="1 of 3 models diverged")]) is None
    assert Trial((), 1.0, "failed").objective is None


def test_a_trial_is_the_mean_of_its_models():
    judged = [Judgement(0.1, 0.2, 0.3), Judgement(0.3, 0.2, 0.1)]
    assert Trial(judged, 1.0).objective == pytest.approx(0.6)
    assert Trial(judged, 1.0).mean("forget_gap") == pytest.approx(0.2)
