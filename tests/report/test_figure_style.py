"""How figures look: colours, axes, numbers and labels."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up
from unlearn.evaluation.panels import panels
from unlearn.report.figures import _categories, _style, _ticks
from unlearn.report.figures import _lines as lines


def shades_of(rows):
    return dict(zip(rows["line"], rows["shade"], strict=True))


def styles_of(plan):
    """The styles of the lines in the first panel."""
    rows = panels(made_up(plan), plan.experiments["e"].figure)[0].rows
    return _style.line_styles(shades_of(rows))


def test_lines_of_one_colour_differ_by_method():
    """Colour says the model, dashes say retrain; a method's parameter has colours of its own."""
    figure = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "model"}
    plan = experiment(figure, model=["mlp", "logistic"])
    styles = styles_of(plan)
    assert styles["mlp, retrain"]["color"] == styles["mlp, finetune"]["color"]
    assert styles["mlp, retrain"]["color"] != styles["logistic, retrain"]["color"]
    assert styles["mlp, retrain"]["linestyle"] == "--" != styles["mlp, finetune"]["linestyle"]
    by_epochs = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "method.epochs"}
    plan = experiment(by_epochs, method={"name": "finetune", "epochs": [1, 2]})
    styles = styles_of(plan)
    assert len({style["color"] for style in styles.values()}) == 4


def test_methods_look_the_same_in_every_figure():
    lists = [["gradient_ascent", "finetune"], ["finetune", {"name": "finetune", "epochs": 9}]]
    styles = []
    for method in lists:
        figure = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "variant"}
        plan = experiment(figure, method=method)
        rows = panels(made_up(plan), plan.experiments["e"].figure)[0].rows
        methods = dict(zip(rows["line"], rows["method"], strict=True))
        styles.append(_style.line_styles(shades_of(rows), methods))
    assert styles[0]["finetune"] == styles[1]["finetune"] != styles[0]["gradient_ascent"]
    method_colors = _style.PALETTE[: len(_style.METHOD_ORDER)]
    assert styles[1]["finetune"]["color"] in method_colors
    assert styles[1]["finetune-epochs=9"]["color"] not in method_colors


def test_the_y_axis_says_what_metrics_share():
    assert _style.metrics_label(["l2"]) == "L2 distance to the oracle"
    accuracies = ["accuracy", "vote_accuracy", "lone_accuracy"]
    assert _style.metrics_label(accuracies) == "Accuracy (%)"
    evaluations = ["expected_gradient_evaluations", "gradient_evaluations"]
    assert _style.metrics_label(evaluations) == "Gradient evaluations"
    assert _style.metrics_label(["kl", "flops"]) == "KL(oracle || model) (nats), FLOPs"


def test_labels_of_a_logarithmic_axis_do_not_touch():
    """Long ones give way sooner than short ones."""
    labels = lines._tick_labels([0.00005, 0.0002, 0.001, 0.01, 0.05, 0.2])
    assert labels == ["5e-5", "", "0.001", "0.01", "0.05", "0.2"]
    assert lines._tick_labels([1, 2, 5, 10, 20, 50]) == ["1", "2", "5", "10", "20", "50"]


def test_a_logarithmic_axis_does_not_magnify_chance():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"], "yscale": "log"})
    table = made_up(plan)
    for column in ("ci_low", "ci_high", "mean"):
        table[column] = 20 + table["mean"]
    low, high = lines.draw(table, plan.experiments["e"].figure).axes[0].get_ylim()
    assert low < 20 < high and high / low == pytest.approx(10)


def test_an_interval_that_reaches_0_goes_on_to_the_end_of_a_logarithmic_axis():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"], "yscale": "log"})
    table = made_up(plan)
    table[MEANS] = [2.0, 1.0, 3.0]
    table.loc[table["variant"] == "finetune", "ci_low"] = -1.0
    axis = lines.draw(table, plan.experiments["e"].figure).axes[0]
    bottom = axis.get_ylim()[0]
    assert 0.1 < bottom < 1
    ends = [band.get_paths()[0].vertices[:, 1].min() for band in axis.collections]
    assert sorted(end <= bottom for end in ends) == [False, False, True]
    pyplot.close("all")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (2.0, 30.0, {"2", "10", "30"}),
        (20_000, 90_000, {"20,000", "60,000"}),
        (2e6, 9e6, {r"$\mathdefault{2\times10^{6}}$"}),
        (1e-9, 1e-3, {r"$\mathdefault{10^{-5}}$"}),
    ],
)
def test_numbers_of_a_logarithmic_axis_are_plain_where_they_are_short(low, high, expected):
    _, axis = pyplot.subplots()
    axis.plot([1, 2], [low, high])
    axis.set_yscale("log")
    _ticks.format_ticks(axis.yaxis)
    axis.figure.draw_without_rendering()
    ticks = [*axis.yaxis.get_major_ticks(), *axis.yaxis.get_minor_ticks()]
    labels = {tick.label1.get_text() for tick in ticks}
    assert expected <= labels, labels
    pyplot.close("all")


def test_two_powers_of_ten_are_enough():
    """The labels of their multiples are long, and would touch each other."""
    _, axis = pyplot.subplots(figsize=(2, 2))
    axis.plot([6e9, 3.4e11], [1, 2])
    axis.set_xscale("log")
    _ticks.format_ticks(axis.xaxis)
    axis.figure.draw_without_rendering()
    ticks = [*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks()]
    low, high = axis.get_xlim()
    labels = {t.label1.get_text() for t in ticks if low <= t.get_loc() <= high} - {""}
    assert labels == {r"$\mathdefault{10^{10}}$", r"$\mathdefault{10^{11}}$"}
    pyplot.close("all")


def test_requests_are_counted_in_whole_numbers():
    plan = experiment({"x": "step", "y": "flops", "split": ["forget"]}, **ONE_REQUEST)
    table = made_up(plan, steps=9)
    for scale, mark in ((1e6, ","), (1e9, "M")):
        large = table.assign(mean=table["mean"] * scale)
        axis = lines.draw(large, plan.experiments["e"].figure).axes[0]
        axis.figure.draw_without_rendering()
        assert all(tick == round(tick) for tick in axis.get_xticks())
        assert any(mark in label.get_text() for label in axis.get_yticklabels())
    pyplot.close("all")


def test_one_method_is_not_named_on_every_line():
    """The control without the colour's parameter looks like itself."""
    figure = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "noise.kind"}
    noise = {"name": "random_noise", "epsilon": 0.1}
    plan = experiment(
        figure | {"methods": ["original"]},
        dataset={"name": "digits", "noise": noise, "noised": [0, 0.5]},
        request="noised",
        method="original",
    )
    table = made_up(plan)
    noisy = {name for name, data in plan.datasets.items() if data.parameters["noised"]}
    table["noise.kind"] = ["random_noise" if name in noisy else None for name in table["dataset"]]
    table.loc[table["noise.kind"].isna(), "rate"] = np.nan
    (axis,) = lines.draw(table, plan.experiments["e"].figure).axes
    colors = {handle.get_label(): handle.get_color() for handle in axis.get_lines()}
    assert colors["original"] == _style.CONTROL_STYLES["original"]["color"]
    assert set(colors) == {"random noise", "original"}
    pyplot.close("all")


def test_labels_are_cut_at_parameters_only():
    """Numbers have dashes of their own."""
    names = ["m-lr=1e-05", "m-lr=0.0001", "x-alpha=-1", "x-alpha=-2", "retrain@sisa-shards=5"]
    assert _categories.labels(names) == names
    assert _categories.labels(["m-a=1-lr=1e-05", "m-a=1-lr=1e-04"]) == ["m-lr=1e-05", "m-lr=1e-04"]
    (label,) = _categories.labels(["error_minimizing_noise-epochs=3"])
    assert label == "error_minimizing_noise\nepochs=3"


@pytest.mark.parametrize("span", [(1.1, 1.7), (0.9, 4), (5e4, 9.5e4), (2e10, 6e11), (1, 1e5)])
def test_labels_of_named_panels_do_not_touch(span):
    """On a logarithmic axis, and beside panels that are lower than their label is long."""
    spec = {"x": "method.weights", "y": ["flops/forget", "kl/test", "loss/test"]}
    spec |= {"yscale": "log"}
    method = {"name": "influence_distillation", "weights": ["uniform", "fisher"]}
    plan = experiment(spec, method=method, **ONE_REQUEST)
    table = made_up(plan)
    table[MEANS] = span[0]
    table.loc[table["variant"] == "influence_distillation", MEANS] = span[1]
    figure = lines.draw(table, plan.experiments["e"].figure)
    figure.draw_without_rendering()
    axis = figure.axes[0]
    ticks = (*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks())
    low, high = axis.get_xlim()
    visible = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    extents = [label.get_window_extent().extents for label in visible if label.get_text()]
    boxes = sorted(extents, key=lambda box: box[0])
    assert len(boxes) >= 2
    assert all(left[2] <= right[0] for left, right in pairwise(boxes))
    min_height = 1.1 * figure.dpi  # of a panel, with its title and its labels
    assert axis.yaxis.label.get_window_extent().height <= min_height
    pyplot.close("all")


@pytest.mark.parametrize("inches", [2, 3.5, 7])
@pytest.mark.parametrize("span", [(540, 28_000), (2_500, 9_500), (0.03, 2), (4e5, 9e5)])
def test_labels_of_a_logarithmic_x_axis_do_not_touch(span, inches):
    """Such as 3,000 and 4,000 on an axis from 540 to 28,000."""
    figure, axis = pyplot.subplots(figsize=(inches, 2))
    axis.plot(span, [1, 2])
    axis.set_xscale("log")
    _ticks.format_ticks(axis.xaxis)
    figure.draw_without_rendering()
    ticks = [*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks()]
    low, high = axis.get_xlim()
    labels = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    extents = [label.get_window_extent().extents for label in labels if label.get_text()]
    boxes = sorted(extents, key=lambda box: box[0])
    assert len(boxes) >= 2
    assert all(left[2] < right[0] for left, right in pairwise(boxes))
    pyplot.close("all")
