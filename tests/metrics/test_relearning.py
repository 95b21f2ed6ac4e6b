"""The steps until an accuracy is reached, in closed form."""

import pytest

from unlearn.metrics.relearning import relearning_steps
from unlearn.training.relearning import Relearning


@pytest.mark.parametrize(
    ("accuracies", "target", "steps"),
    [
        ((0.5, 0.7, 0.9), 0.8, 3),
        ((0.5, 0.7, 0.9), 0.7, 2),
        ((0.5, 0.7, 0.9), 0.9, 4),
        ((0.5, 0.7, 0.9), 0.5, 1),
        ((0.5, 0.7, 0.9), 0.1, 1),
        ((0.5, 0.7, 0.9), 0.91, None),
        ((0.5, 0.9, 0.1), 0.7, 1.5),
        ((0.5, None, 0.9), 0.7, None),
        ((None, 0.9, 0.9), 0.7, None),
        ((0.5, 0.7, 0.9), None, None),
    ],
)
def test_the_steps_are_interpolated_between_two_accuracies(accuracies, target, steps):
    assert relearning_steps((1, 2, 4), accuracies, target) == pytest.approx(steps)


def test_the_original_needs_no_step():
    assert relearning_steps((0, 1, 2), (0.99, 1, 1), 0.99 - 0.01) == 0


def test_accuracies_are_measured_at_powers_of_two_and_at_the_end():
    assert Relearning(steps=20).scored_steps() == [0, 1, 2, 4, 8, 16, 20]
    assert Relearning(steps=16).scored_steps() == [0, 1, 2, 4, 8, 16]
    assert Relearning(steps=1).scored_steps() == [0, 1]
