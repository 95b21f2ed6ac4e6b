"""Curves of others in a figure of lines."""

import numpy as np
import pytest

from tests.support.figures import experiment, made_up
from unlearn.core import registry
from unlearn.report.figures import _style
from unlearn.study.load import StudyError

CURVES = {"mix": [[0.2, 90], [0.1, 80]], "clean part": [[0.1, 70], [0.2, 60]]}
FIGURE = {
    "x": "rate",
    "y": "accuracy/test",
    "published": {"source": "Nobody (2024), ResNet-18", "curves": CURVES},
}


def test_curves_of_others_are_grey_and_named():
    plan = experiment(FIGURE)
    figure = registry.find("figures", "lines")().draw(made_up(plan), plan.experiments["e"].figure)
    (axis,) = (axis for axis in figure.axes if axis.get_visible())
    lines = {line.get_label(): line for line in axis.lines}
    drawn = lines["mix (published)"]
    assert np.array_equal(drawn.get_xydata(), [[0.1, 80], [0.2, 90]])
    assert drawn.get_color() == lines["clean part (published)"].get_color() == "0.65"
    assert drawn.get_linestyle() != lines["clean part (published)"].get_linestyle()
    assert "grey: published values, Nobody (2024), ResNet-18" in figure._supxlabel.get_text()
    assert "mix (published)" in [text.get_text() for text in figure.legends[0].texts]
    _style.pyplot.close(figure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "frontier", "x": "flops/forget", "y": "kl/test"}, "frontier has no published"),
        ({"x": "variant"}, "published.curves: variant .* is no number"),
        ({"y": ["accuracy/test", "kl/test"]}, "published curves stand beside one metric"),
        ({"y": "accuracy"}, "published curves stand beside one metric"),
        ({"published": {"curves": CURVES}}, "source"),
        ({"published": {"source": "a"}}, "of kind lines it has source and curves"),
        ({"published": {"source": "a", "curves": {"b": [[1, 2]]}}}, "published"),
        (
            {"published": {"source": "a", "curves": {"b": [[1, 2], [2, float("nan")]]}}},
            r"published\.curves\.b.*nan is not a finite number",
        ),
    ],
)
def test_curves_without_a_place_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        experiment(FIGURE | change)
