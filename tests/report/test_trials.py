"""The figure of trials: every usable trial is a point of its own."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from unlearn.report.figures import _trials

REQUEST = "random-rate=0.1-seed=5000000"


def rows_of(variant, objectives, chosen, request=REQUEST):
    """The trials of one method; `chosen` is the number of the best."""
    names = {"dataset": "digits", "model": "mlp", "variant": variant, "request": request}
    return [
        names | {"trial": number, "objective": objective, "is_chosen": int(number == chosen)}
        for number, objective in enumerate(objectives)
    ]


@pytest.fixture
def drawn():
    """Draws trials, and closes their figures at the end."""
    labels = {"scrub": "SCRUB", "ssd": "SSD"}
    yield lambda rows: _trials.draw(pd.DataFrame(rows), labels)
    pyplot.close("all")


def points(axis):
    """Kind of trial -> its places, (objective, inches from the top)."""
    _, kinds = axis.figure.axes[0].get_legend_handles_labels()
    places = {kind: [] for kind in kinds}
    for number, line in enumerate(axis.get_lines()):
        xs, ys = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        places[kinds[number % len(kinds)]] += zip(xs, ys, strict=True)
    return places


def names(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def test_equal_trials_are_told_from_one(drawn):
    axis = drawn(rows_of("scrub", [0.2] * 6, chosen=3)).axes[0]
    by_kind = points(axis)
    assert {kind: len(places) for kind, places in by_kind.items()} == {
        "other trials": 4,
        "defaults": 1,
        "chosen": 1,
    }
    places = [place for group in by_kind.values() for place in group]
    assert {x for x, _ in places} == {0.2}
    heights = sorted(y for _, y in places)
    assert np.diff(heights) == pytest.approx(_trials.LEVEL_INCHES)


def test_the_chosen_trial_lies_on_the_line_of_its_method(drawn):
    axis = drawn(rows_of("scrub", [0.2] * 6, chosen=3)).axes[0]
    ((_, height),) = points(axis)["chosen"]
    assert height == axis.get_yticks()[0]


def test_defaults_that_are_chosen_are_one_trial_with_two_marks(drawn):
    by_kind = points(drawn(rows_of("scrub", [0.2, 0.4], chosen=0)).axes[0])
    assert by_kind["defaults"] == by_kind["chosen"]
    assert len(by_kind["other trials"]) == 1


def test_trials_whose_markers_would_overlap_are_stacked_and_others_are_not(drawn):
    """Markers are as wide as 4 % of the largest objective."""
    objectives = [0.5, 0.51, 0.6, 1.0]
    axis = drawn(rows_of("scrub", objectives, chosen=0)).axes[0]
    height_by_objective = {
        x: y - axis.get_yticks()[0] for group in points(axis).values() for x, y in group
    }
    level = -_trials.LEVEL_INCHES
    assert height_by_objective == pytest.approx({0.5: 0, 0.51: level, 0.6: 0, 1.0: 0})


def test_stacks_of_two_methods_do_not_meet(drawn):
    rows = rows_of("scrub", [0.2] * 12, chosen=0) + rows_of("ssd", [0.2] * 9, chosen=0)
    figure = drawn(rows)
    heights = sorted(y for _, y in points(figure.axes[0])["other trials"])
    assert len(heights) == 11 + 8
    assert min(np.diff(heights)) > 0.9 * _trials.LEVEL_INCHES
    bottom, top = figure.axes[0].get_ylim()
    assert top < heights[0] and heights[-1] < bottom


def test_a_stack_makes_the_figure_higher(drawn):
    low = drawn(rows_of("scrub", [0.1, 0.4, 0.8], chosen=0))
    high = drawn(rows_of("scrub", [0.1] * 12, chosen=0))
    difference = high.get_figheight() - low.get_figheight()
    assert difference == pytest.approx(14 * _trials.LEVEL_INCHES - _trials.ROW_INCHES)


def test_the_method_with_the_best_trial_is_on_top(drawn):
    rows = rows_of("scrub", [0.5, 0.3], chosen=1) + rows_of("ssd", [0.1, 0.9], chosen=0)
    rows += rows_of("iu", [np.nan] * 2, chosen=None)
    assert names(drawn(rows).axes[0]) == ["SSD", "SCRUB", "Iu"]


def test_trials_that_cannot_be_used_are_counted(drawn):
    axis = drawn(rows_of("scrub", [0.5, np.nan, np.nan], chosen=0)).axes[0]
    assert [text.get_text() for text in axis.texts] == ["2 of 3 unusable"]
    assert sum(map(len, points(axis).values())) == 2  # the marks of defaults and of the choice


def test_every_request_has_a_panel(drawn):
    rows = rows_of("scrub", [0.5] * 3, chosen=0)
    rows += rows_of("scrub", [0.2] * 5, chosen=0, request="by_class-label=1")
    counts = [len(points(axis)["other trials"]) for axis in drawn(rows).axes]
    assert counts == [2, 4]
