"""Figures and the landing page show the numbers of the table, each at its place."""

import numpy as np
import pytest
from matplotlib import pyplot

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up, page_of
from unlearn.evaluation import placement
from unlearn.evaluation.panels import panels
from unlearn.report.figures import _lines as lines


def drawn_points(table, figure):
    """Panel title -> {line: [(x, y), ...]}; horizontal lines have x None.

    Where names are on the axis, x is the row, and lines without a name are vertical.
    """
    points_by_panel = {}
    for axis in lines.draw(table, figure).axes:
        if not axis.get_visible() or not axis.get_lines():
            continue
        title = axis.get_title()
        title = f"{title} again" if title in points_by_panel else title
        points_by_panel[title] = named_points(axis) or line_points(axis)
    pyplot.close("all")
    return points_by_panel


def named_points(axis):
    """The points of a panel whose rows are names."""
    points_by_line = {}
    for bars in axis.containers:
        values, rows = bars.lines[0].get_data()
        numbers = [round(row) for row in rows]
        points_by_line[bars.get_label()] = list(zip(numbers, values, strict=True))
    return points_by_line


def line_points(axis):
    """The points of a panel with numbers on both axes."""
    points_by_line = {}
    for line in axis.get_lines():
        x = line.get_xdata()
        y = line.get_ydata()
        is_horizontal = list(x) == [0, 1] and line.get_transform() != axis.transData
        points = [(None, y[0])] if is_horizontal else list(zip(x, y, strict=True))
        points_by_line[line.get_label()] = points
    return points_by_line


def assert_every_mean_is_drawn_once(table, points_by_panel, scale=1.0):
    point_lists = [
        points for points_by_line in points_by_panel.values() for points in points_by_line.values()
    ]
    means = {round(y / scale, 9) for points in point_lists for _, y in points}
    assert means == set(np.round(table["mean"], 9))
    for points in point_lists:
        xs = [x for x, _ in points]
        assert len(set(xs)) == len(xs), "two values at one point of a line"


FIGURES = {
    "splits without a facet": (
        {"x": "rate", "y": "kl", "split": ["forget", "test"]},
        {},
        {"forget": 3, "test": 3},
    ),
    "parameter of a method": (
        {"x": "method.epochs", "y": "kl", "split": ["forget"]},
        {
            "method": {"name": "finetune", "epochs": [1, 2, 5]},
            "request": {"name": "random", "rate": 0.1},
        },
        {"": 3},
    ),
    "two parameters of a method": (
        {"x": "method.epochs", "y": "kl", "split": ["forget"], "colour": "method.lr"},
        {
            "method": {"name": "finetune", "epochs": [1, 2], "lr": [0.1, 0.2]},
            "request": {"name": "random", "rate": 0.1},
        },
        {"": 4},
    ),
    "facet by a parameter of a method: controls everywhere": (
        {"x": "rate", "y": "kl", "split": ["forget"], "facet": "method.epochs"},
        {"method": {"name": "finetune", "epochs": [1, 2]}},
        {"epochs 1": 3, "epochs 2": 3},
    ),
    "parameter of a model": (
        {"x": "model.hidden", "y": "kl", "split": ["forget"]},
        {
            "model": {"name": "mlp", "hidden": [8, 16, 32]},
            "request": {"name": "random", "rate": 0.1},
        },
        {"": 3},
    ),
    "parameter of a recipe": (
        {"x": "recipe.lr", "y": "kl", "split": ["forget"]},
        {
            "model": {"name": "mlp", "recipe": {"name": "quick", "lr": [0.1, 0.2]}},
            "request": {"name": "random", "rate": 0.1},
        },
        {"": 3},
    ),
    "parameter that may be null": (
        {"x": "model.width", "y": "kl", "split": ["forget"]},
        {
            "model": {"name": "cnn1", "width": [None, 2]},
            "request": {"name": "random", "rate": 0.1},
        },
        {"": 3},
    ),
    "colour by model": (
        {"x": "rate", "y": "kl", "split": ["forget"], "colour": "model"},
        {"model": ["mlp", "logistic"]},
        {"": 6},
    ),
    "two models and two data sets": (
        {"x": "rate", "y": ["kl", "js"], "split": ["forget"]},
        {"model": ["mlp", "logistic"], "dataset": ["digits", {"name": "digits", "subset": 100}]},
        None,
    ),
    "colour by sampler": (
        {"x": "step", "y": "kl", "split": ["forget"], "colour": "sampler"},
        {
            "request": [
                {"name": "random", "rate": 0.1, "steps": 3},
                {"name": "by_class", "label": 1, "steps": 3},
            ]
        },
        {"": 6},
    ),
    "colour by metric": (
        {"x": "rate", "y": ["kl", "js"], "split": ["forget"], "colour": "metric"},
        {},
        {"": 6},
    ),
    "colour by split": (
        {"x": "rate", "y": "kl", "split": ["forget", "test"], "colour": "split"},
        {},
        {"": 6},
    ),
    "metrics with splits of their own": (
        {"x": "rate", "y": ["kl/forget", "js/test"]},
        {},
        {"forget": 3, "test": 3},
    ),
    "some of the methods": (
        {"x": "rate", "y": "kl", "split": ["forget"], "methods": ["retrain", "finetune"]},
        {},
        {"": 2},
    ),
    "shards of a trainer": (
        {"x": "method.shards", "y": "kl", "split": ["forget"], "methods": ["sisa", "retrain@sisa"]},
        {
            "method": [{"name": "sisa", "shards": [1, 5]}, "finetune"],
            "request": {"name": "random", "rate": 0.1},
        },
        {"": 2},
    ),
    "points of batches and of a stream": (
        {"x": "points", "y": "kl", "split": ["forget"], "facet": "request.steps"},
        {
            "request": [
                {"name": "random", "count": [10, 20]},
                {"name": "random", "count": 20, "steps": 3},
            ]
        },
        None,
    ),
    "facet by request": (
        {"x": "step", "y": "kl", "split": ["forget"], "facet": "request.rate"},
        {
            "request": [
                {"name": "random", "rate": 0.1, "steps": 3},
                {"name": "by_class", "label": 1, "steps": 3},
            ]
        },
        {"rate 0.1": 3, "rate None": 3},
    ),
}


@pytest.mark.parametrize("case", FIGURES)
def test_every_value_has_its_place(case):
    figure, parts, expected = FIGURES[case]
    plan = experiment(figure, **parts)
    block = plan.experiments["e"].figure
    table = made_up(plan, steps=3 if figure["x"] == "step" else 1)
    points_by_panel = drawn_points(table, block)
    is_drawn = [placement.is_in_figure(row, block) for row in table.to_dict("records")]
    assert_every_mean_is_drawn_once(table[is_drawn], points_by_panel)
    if expected is not None:
        assert {title: len(lines) for title, lines in points_by_panel.items()} == expected
    page = page_of(experiments={"e": ("", block, table)})
    assert page.count("list-table") == 3 + len(panels(table, block))


def test_the_last_step_of_each_request_is_shown():
    requests = [{"name": "random", "rate": 0.1}, {"name": "random", "rate": 0.2, "steps": 3}]
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]}, request=requests)
    table = made_up(plan, steps=3)
    table = table[(table["step"] == 1) | (table["request"] == "random-rate=0.2-steps=3")]
    points = drawn_points(table, plan.experiments["e"].figure)[""]["finetune"]
    mean = table.query("step == 3 and variant == 'finetune'")["mean"].item()
    assert [x for x, _ in points] == [0.1, 0.2]
    assert points[1][1] == mean


METHODS = ["gradient_ascent", {"name": "finetune", "epochs": 3, "lr": [0.02, 0.1]}]


def test_names_are_read_from_top_to_bottom():
    """Each beside its value, without the parameters that all share; no legend repeats them."""
    figure = {"x": "variant", "y": ["kl", "loss"], "split": ["test"], "facet": "split"}
    plan = experiment(figure, method=METHODS, request={"name": "random", "rate": 0.1})
    table = made_up(plan)
    figure = lines.draw(table, plan.experiments["e"].figure)
    first, second = [axis for axis in figure.axes if axis.get_visible()]
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == [
        "original",
        "retrain",
        "gradient_ascent",
        "finetune-lr=0.02",
        "finetune-lr=0.1",
    ]
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first name is on top
    assert first.get_xlabel().startswith("KL") and second.get_xlabel().startswith("Cross-entropy")
    assert not figure.legends
    for metric, axis in (("kl", first), ("loss", second)):
        means = table[table["metric"] == metric].set_index("variant")["mean"]
        data = {bars.get_label(): bars.lines[0].get_data() for bars in axis.containers}
        for row, variant in enumerate(means.index.drop_duplicates()):
            assert [*data[variant][0]] == [means[variant]] and [*data[variant][1]] == [row]
    pyplot.close("all")


def test_named_rows_stay_within_what_values_can_be():
    """Accuracy ends at 100 %; a distance of 0 has a place on a logarithmic axis."""
    spec = {"x": "variant", "y": "accuracy", "split": ["test"]}
    plan = experiment(spec, method=METHODS, request={"name": "random", "rate": 0.1})
    table = made_up(plan)
    table[MEANS] = [0.96, 0.7, 1.2]
    (axis,) = lines.draw(table, plan.experiments["e"].figure).axes
    segments = [part for bars in axis.containers for part in bars.lines[2]]
    ends = [part.get_segments()[0][:, 0] for part in segments]
    assert max(map(max, ends)) == pytest.approx(100) and min(map(min, ends)) == pytest.approx(70)
    plan = experiment(spec | {"y": "kl", "yscale": "log"}, method=METHODS, **ONE_REQUEST)
    table = made_up(plan)
    table.loc[table["variant"] == "retrain", MEANS] = 0.0
    (axis,) = lines.draw(table, plan.experiments["e"].figure).axes
    assert axis.get_xscale() == "symlog" and axis.get_xlim()[0] <= 0
    pyplot.close("all")


def test_a_control_without_a_name_is_a_vertical_line():
    """And lines that share names are set apart by less than half a row."""
    figure = {"x": "method.schedule", "y": "kl", "split": ["test"], "colour": "method.lr"}
    method = {"name": "finetune", "schedule": ["constant", "cosine"], "lr": [0.01, 0.1]}
    plan = experiment(figure, method=method, request={"name": "random", "rate": 0.1})
    table = made_up(plan)
    figure = lines.draw(table, plan.experiments["e"].figure)
    (axis,) = [axis for axis in figure.axes if axis.get_visible()]
    retrain = table.query("variant == 'retrain'")["mean"].item()
    assert retrain in [line.get_xdata()[0] for line in axis.get_lines()]
    assert len(axis.patches) == 2  # the intervals of retrain and original
    rows = [bars.lines[0].get_ydata() for bars in axis.containers]
    assert [list(np.round(line)) for line in rows] == [[0, 1], [0, 1]]
    assert 0 < abs(rows[0][0] - rows[1][0]) < 0.5 and figure.legends
    pyplot.close("all")


def test_accuracy_is_in_percent_with_its_interval():
    plan = experiment({"x": "rate", "y": "accuracy", "split": ["test"]})
    table = made_up(plan)
    points_by_panel = drawn_points(table, plan.experiments["e"].figure)
    assert_every_mean_is_drawn_once(table, points_by_panel, scale=100)
