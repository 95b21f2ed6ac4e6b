"""The dot plot of methods by cost, and the matrix of agreement."""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up, page_of
from unlearn.core import registry
from unlearn.report.figures import _dots as dots
from unlearn.report.figures import _labels, _style
from unlearn.study.load import StudyError

FIGURE = {
    "kind": "dots",
    "x": "gradient_evaluations/forget",
    "y": ["kl/forget", "attack_auc/forget", "accuracy/test"],
    "normalised": ["kl/forget"],
    "xscale": "log",
}
COSTS = {"original": 0.0, "retrain": 1000.0, "finetune": 100.0, "gradient_ascent": 50.0}
DISTANCES = {"original": 0.4, "retrain": 0.0, "finetune": 0.3, "gradient_ascent": 0.5}
FLOORS = {"floor": 0.2, "floor_low": 0.18, "floor_high": 0.22, "nothing": 0.4}


def comparison(floors=FLOORS, **change):
    """The figure block of an experiment, and its table with the numbers above."""
    plan = experiment(FIGURE | change, method=["finetune", "gradient_ascent"], **ONE_REQUEST)
    table = made_up(plan)
    is_cost = table["metric"] == "gradient_evaluations"
    is_kl = table["metric"] == "kl"
    for column in MEANS:
        table.loc[is_cost, column] = table["variant"].map(COSTS)
        table.loc[is_kl, column] = table["variant"].map(DISTANCES)
    table.loc[is_kl & (table["variant"] == "finetune"), ["ci_low", "ci_high"]] = 0.28, 0.32
    for column, value in floors.items():
        table[column] = np.where(is_kl, value, np.nan)
    if floors:
        table["normalised"] = (table["mean"] - table["floor"]) / (table["nothing"] - table["floor"])
    return plan.experiments["e"].figure, table


def drawn(table, figure):
    """The figure, with all its texts in their places."""
    picture = dots.draw(table, figure)
    picture.draw_without_rendering()
    return picture


def axes_by_title(picture):
    return {axis.get_title("left"): axis for axis in picture.axes if axis.get_visible()}


def points(axis):
    """Row -> value of each dot of a panel."""
    lines = [line for line in axis.get_lines() if line.get_linestyle() == "None"]
    pairs = [(line.get_ydata(), line.get_xdata()) for line in lines if line.get_marker() != "None"]
    return {int(y[0]): float(x[0]) for y, x in pairs if len(y) == 1}


def numbers(axis):
    """The texts beside a panel, from top to bottom."""
    texts = [text for text in axis.texts if text.xyann == (4, 0)]
    return [text.get_text().replace("\u2212", "-") for text in texts]


def row_labels(picture):
    return [label.get_text() for label in picture.axes[0].get_yticklabels()]


def test_methods_are_rows_by_cost_and_metrics_columns():
    figure, table = comparison()
    picture = drawn(table, figure)
    assert row_labels(picture) == ["Doing nothing", "Gradient ascent", "Fine-tuning", "Retrained"]
    titles = ["KL, deleted points", "Attack AUC", "Accuracy, test points", "Cost"]
    assert list(axes_by_title(picture)) == titles
    cost = axes_by_title(picture)["Cost"]
    assert points(cost) == {1: 50, 2: 100, 3: 1000}
    assert numbers(cost) == ["0", "50", "100", "1,000"]
    pyplot.close("all")


def test_leakage_is_drawn_from_the_oracle_to_doing_nothing():
    figure, table = comparison()
    axis = axes_by_title(drawn(table, figure))["KL, deleted points"]
    assert points(axis) == pytest.approx({0: 1.0, 1: 1.5, 2: 0.5, 3: 0.0})
    assert numbers(axis) == ["1.00 ± 0.00", "1.50 ± 0.00", "0.50 ± 0.10", "0"]
    assert axis.get_xlabel() == "0: retrained, 1: doing nothing"
    bands = [collection.get_paths()[0].get_extents() for collection in axis.collections]
    floor_ends = {(round(band.x0, 9), round(band.x1, 9)) for band in bands if band.height}
    assert floor_ends == {(-0.1, 0.1)}
    references = [
        line.get_xdata()[0] for line in axis.get_lines() if line.get_linestyle() != "None"
    ]
    assert references == [0, 1]
    pyplot.close("all")


def test_a_value_that_differs_from_the_oracle_below_the_floor_is_no_oracle():
    figure, table = comparison()
    is_kl = (table["metric"] == "kl") & (table["variant"] == "finetune")
    table.loc[is_kl, [*MEANS, "normalised"]] = 0.1, 0.1, 0.1, -0.5
    assert points(axes_by_title(drawn(table, figure))["KL, deleted points"])[2] == -0.5
    pyplot.close("all")


def test_a_value_beyond_the_axis_is_an_arrow_with_a_number():
    figure, table = comparison()
    table.loc[table["variant"] == "gradient_ascent", "normalised"] = 31.5
    picture = drawn(table, figure)
    axis = axes_by_title(picture)["KL, deleted points"]
    assert points(axis)[1] == 2 and axis.get_xlim()[1] < 3
    assert numbers(axis)[1].startswith("31.50")
    assert "arrow: a value beyond the end of the axis" in picture.get_supxlabel()
    pyplot.close("all")


@pytest.mark.parametrize("floors", [{}, FLOORS | {"nothing": 0.2}], ids=["no columns", "null"])
def test_without_a_floor_the_value_is_drawn_as_it_is(floors):
    figure, table = comparison(floors)
    if floors:
        table["normalised"] = np.nan
    picture = drawn(table, figure)
    axis = axes_by_title(picture)["KL, deleted points"]
    assert points(axis) == pytest.approx({0: 0.4, 1: 0.5, 2: 0.3, 3: 0.0})
    assert axis.get_xlabel() == "KL(oracle || model) (nats)"
    note = "floor and doing nothing are too near or too uncertain: KL, deleted points"
    assert note in " ".join(picture.get_supxlabel().split())
    pyplot.close("all")


def test_one_method_without_a_floor_says_so():
    figure, table = comparison()
    table.loc[table["variant"] == "finetune", "normalised"] = np.nan
    axis = axes_by_title(drawn(table, figure))["KL, deleted points"]
    assert set(points(axis)) == {0, 1, 3} and numbers(axis)[2] == "no floor"
    pyplot.close("all")


@pytest.mark.parametrize("flag", ["failed", "diverged", "refused"])
def test_a_method_without_values_stays_a_row_with_the_reason(flag):
    figure, table = comparison()
    table[flag] = 0
    is_broken = table["variant"] == "finetune"
    table.loc[is_broken, [*MEANS, "normalised"]] = np.nan
    table.loc[is_broken, "n"] = 0
    table.loc[is_broken, flag] = 2
    picture = drawn(table, figure)
    assert row_labels(picture)[-1] == "Fine-tuning"
    for axis in axes_by_title(picture).values():
        assert numbers(axis)[-1] == flag and 3 not in points(axis)
    pyplot.close("all")


def test_models_that_failed_are_counted_beside_the_name_of_the_method():
    figure, table = comparison()
    table.loc[table["variant"] == "finetune", "failed"] = 1
    picture = drawn(table, figure)
    assert row_labels(picture)[2] == "Fine-tuning, 1 failed"
    assert numbers(axes_by_title(picture)["Cost"])[2] == "100"
    pyplot.close("all")


def test_guarantees_are_symbols_which_a_note_explains():
    figure, table = comparison()
    table["method.guarantee"] = table["variant"].map({"retrain": "exact", "finetune": "certified"})
    picture = drawn(table, figure)
    first = picture.axes[0]
    symbols = [text.get_text() for text in first.texts if text.xyann == (-6, 0)]
    assert symbols == ["", "", "◆", "●"]
    assert "guarantee: ● exact, ◆ certified" in picture.get_supxlabel()
    pyplot.close("all")


def test_a_method_looks_as_in_every_other_figure():
    figure, table = comparison()
    axis = axes_by_title(drawn(table, figure))["Attack AUC"]
    number = _style.METHOD_ORDER.index("finetune")
    (marker,) = [line for line in axis.get_lines() if list(line.get_ydata()) == [2]]
    assert marker.get_color() == _style.PALETTE[number]
    assert marker.get_marker() == _style.MARKERS[number]
    pyplot.close("all")


def test_every_request_is_a_block_with_an_order_of_its_own():
    figure, table = comparison()
    other = table.assign(request="by_class-label=3")
    is_cost = other["metric"] == "gradient_evaluations"
    other.loc[is_cost & (other["variant"] == "gradient_ascent"), MEANS] = 500.0
    both = pd.concat([table, other], ignore_index=True)
    picture = drawn(both, figure | {"facet": "request"})
    first_axes = [picture.axes[0], picture.axes[4]]
    labels = [[label.get_text() for label in axis.get_yticklabels()] for axis in first_axes]
    assert labels[0][1:3] == ["Gradient ascent", "Fine-tuning"] == labels[1][2:0:-1]
    titles = {text.get_text() for axis in first_axes for text in axis.texts}
    assert {"Digits, MLP\nRandom points, 10\u00a0%", "Digits, MLP\nClass 3"} <= titles
    assert all(axis.get_visible() for axis in picture.axes)
    pyplot.close("all")


def boxes(picture):
    """The place of every text of a figure."""
    texts = [text for axis in picture.axes for text in axis.texts]
    for axis in picture.axes:
        texts += [axis._left_title, axis.xaxis.label, *axis.get_yticklabels()]
        low, high = axis.get_xlim()
        ticks = axis.xaxis.get_major_ticks()
        texts += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    texts.append(picture._supxlabel)
    return {text: text.get_window_extent() for text in texts if text.get_text()}


@pytest.mark.parametrize("scale", [1.0, 1e-7, 3e9])
@pytest.mark.parametrize("metrics", [1, 3])
def test_no_text_touches_another_or_leaves_the_figure(scale, metrics):
    figure, table = comparison(y=FIGURE["y"][:metrics])
    is_cost = table["metric"] == "gradient_evaluations"
    table.loc[is_cost, MEANS] *= scale
    table.loc[table["metric"] == "attack_auc", "ci_high"] += 0.0123
    other = table.assign(request="by_class-label=3")
    both = pd.concat([table, other], ignore_index=True)
    picture = drawn(both, figure | {"facet": "request"})
    places = boxes(picture)
    width, height = picture.canvas.get_width_height()
    for text, box in places.items():
        assert box.x0 >= -1 and box.x1 <= width + 1, text
        assert box.y0 >= -1 and box.y1 <= height + 1, text
    for (one, first), (two, second) in combinations(places.items(), 2):
        is_apart = first.x1 <= second.x0 or second.x1 <= first.x0
        is_apart |= first.y1 <= second.y0 or second.y1 <= first.y0
        assert is_apart, (one, two)
    pyplot.close("all")


def test_powers_of_ten_on_the_axis_of_costs_are_plain_numbers():
    figure, table = comparison()
    is_cost = table["metric"] == "gradient_evaluations"
    table.loc[is_cost, MEANS] *= 2e4
    axis = axes_by_title(drawn(table, figure))["Cost"]
    labels = [label.get_text() for label in axis.get_xticklabels() if label.get_text()]
    assert labels == ["1M", "10M"]
    assert numbers(axis) == ["0", "1M", "2M", "20M"]
    pyplot.close("all")


def test_multiples_of_one_power_of_ten_are_plain_numbers_as_well():
    figure, table = comparison()
    is_cost = table["metric"] == "gradient_evaluations"
    table.loc[is_cost & (table["variant"] == "retrain"), MEANS] = 300.0
    table.loc[is_cost, MEANS] *= 4e4
    axis = axes_by_title(drawn(table, figure))["Cost"]
    low, high = axis.get_xlim()
    ticks = [*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks()]
    labels = {tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high} - {""}
    assert labels == {"2M", "5M", "10M"}
    pyplot.close("all")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "rate"}, "figure.x: rate is no metric on a split"),
        ({"x": "accuracy/test"}, "figure.x: unknown cost 'accuracy'"),
        ({"colour": "request"}, "request tells no methods apart"),
        ({"normalised": ["klo"]}, "figure.normalised: unknown metric 'klo'"),
        ({"normalised": ["kl/test"]}, "figure.normalised: unknown metric 'kl/test'"),
        ({"normalised": ["gradient_evaluations"]}, "unknown metric 'gradient_evaluations'"),
        ({"kind": "frontier", "y": "kl"}, "kl/forget: frontier has no normalised axis"),
    ],
)
def test_bad_dots_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        experiment(FIGURE | change, **ONE_REQUEST)


MATRIX = {"kind": "agreement", "y": ["kl", "attack_auc/forget"], "split": ["forget", "test"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "rate"}, "figure.x: rate: agreement has no x axis"),
        ({"y": "kl", "split": "forget"}, "figure.y: kl is alone"),
        ({"y": ["kl", "flops"]}, "unknown metric of quality 'flops'"),
    ],
)
def test_bad_matrices_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        experiment(MATRIX | change, **ONE_REQUEST)


def test_a_matrix_prints_tau_and_disagreements_of_every_two_metrics():
    plan = experiment(MATRIX, method=[{"name": "finetune", "epochs": [1, 3, 5, 7]}], **ONE_REQUEST)
    table = made_up(plan).drop(columns="normalised", errors="ignore")
    figure = plan.experiments["e"].figure
    kind = registry.find("figures", "agreement")()
    picture = kind.draw(table, figure)
    picture.draw_without_rendering()
    (axis,) = picture.axes
    assert len(axis.texts) == 3
    by_place = {tuple(map(int, text.get_position())): text.get_text() for text in axis.texts}
    assert by_place[0, 0].splitlines()[:2] == ["1.00", "[1.00, 1.00]"]
    assert "disagree" in by_place[0, 0]
    labels = [label.get_text().replace("\n", " ") for label in axis.get_xticklabels()]
    assert labels == ["KL, deleted points", "KL, test points"]
    places = [text.get_window_extent() for text in axis.texts if text.get_position()[1] == 1]
    assert all(left.x1 <= right.x0 for left, right in pairwise(places))
    assert "Kendall's tau" in picture.get_supxlabel()
    assert "Results" in page_of(experiments={"e": ("", figure, table)})
    pyplot.close("all")


def test_labels_are_words_of_readers():
    names = ["sisa-shards=20", "retrain@sisa-shards=20", "finetune-lr=1e-05", "my_own_method"]
    methods = {"sisa": "SISA", "retrain": "retrained", "finetune": "fine-tuning"}
    assert list(_labels.variant_labels(names, methods).values()) == [
        "SISA, 20 shards",
        "Retrained (SISA, 20 shards)",
        "Fine-tuning, learning rate 1e-05",
        "My own method",
    ]
    assert _labels.part_label("mnist_part") == "MNIST part"
    assert _labels.part_label("random-count=10-seed=3") == "random points, 10 points, draw 3"
    twins = _labels.variant_labels(["retrain", "retrained"], methods)
    assert twins == {"retrain": "retrain", "retrained": "retrained"}


def test_a_method_without_a_label_is_called_by_its_name():
    labels = _labels.variant_labels(["head_only", "head_only-lr=1"], {})
    assert labels == {"head_only": "Head only", "head_only-lr=1": "Head only, learning rate 1"}


def test_the_name_of_a_study_wins_and_its_words_can_be_methods():
    """But for those of controls, which say something else inside of a name."""
    names = ["sisa_balanced", "taught_by_original", "fine_tuning"]
    methods = {"sisa": "SISA", "original": "doing nothing", "finetune": "fine-tuning"}
    assert list(_labels.variant_labels(names, methods).values()) == [
        "SISA balanced",
        "Taught by original",
        "Fine-tuning",
    ]


def test_rows_are_labelled_as_the_classes_of_their_methods_say():
    methods = ["neggrad_plus", "scrub_rewind", "head_only", {"name": "sisa", "shards": 2}]
    plan = experiment(FIGURE, method=methods, **ONE_REQUEST)
    table = made_up(plan)
    figure = plan.experiments["e"].figure
    assert {label.partition("\n")[0] for label in row_labels(drawn(table, figure))} == {
        "Doing nothing",
        "Doing nothing (SISA, 2 shards)",
        "Retrained",
        "Retrained (SISA, 2 shards)",
        "NegGrad+",
        "SCRUB+R",
        "Head only",
        "SISA, 2 shards",
    }
    pyplot.close("all")


def test_no_two_methods_have_one_label():
    methods = [registry.find("methods", name) for name in registry.names("methods")]
    labels = [method.label for method in methods if method.label is not None]
    assert len(labels) == len({label.lower() for label in labels}) > 30
