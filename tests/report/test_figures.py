"""Figures and the landing page show the table's numbers, each at its place."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from tests.support.figures import ONE, experiment, made_up
from unlearn.evaluation import placement, tables
from unlearn.report import landing_page
from unlearn.report.figures import lines


def drawn(table, figure):
    """Panel title and label -> {line: [(x, y), ...]}; horizontal lines have x None.

    Where names are on the axis, x is the row and lines without one are vertical.
    """
    found = {}
    for axis in lines.draw(table, figure).axes:
        if not axis.get_visible() or not axis.get_lines():
            continue
        place = {}
        for bars in axis.containers:
            values, row = bars.lines[0].get_data()
            place[bars.get_label()] = [(round(r), v) for r, v in zip(row, values, strict=True)]
        for line in axis.get_lines() if not place else ():
            x, y = line.get_xdata(), line.get_ydata()
            horizontal = list(x) == [0, 1] and line.get_transform() != axis.transData
            points = [(None, y[0])] if horizontal else list(zip(x, y, strict=True))
            place[line.get_label()] = points
        title = axis.get_title()
        found[title if title not in found else f"{title} again"] = place
    pyplot.close("all")
    return found


def every_mean_is_drawn_once(table, panels, scale=1.0):
    values = [y / scale for place in panels.values() for line in place.values() for _, y in line]
    shown = set(np.round(values, 9))
    assert shown == set(np.round(table["mean"], 9))
    for place in panels.values():
        for line in place.values():
            xs = [x for x, _ in line]
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
                {"name": "class", "label": 1, "steps": 3},
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
                {"name": "class", "label": 1, "steps": 3},
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
    panels = drawn(table, block)
    chosen = [placement.chosen(row, block) for row in table.to_dict("records")]
    every_mean_is_drawn_once(table[chosen], panels)
    if expected is not None:
        assert {title: len(place) for title, place in panels.items()} == expected
    page = landing_page.page("s", [], [], {}, {"e": ("", block, table)}, {})
    assert page.count("list-table") == 3 + len(tables.panels(table, block))


def test_the_last_step_of_each_request_is_shown():
    requests = [{"name": "random", "rate": 0.1}, {"name": "random", "rate": 0.2, "steps": 3}]
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]}, request=requests)
    table = made_up(plan, steps=3)
    table = table[(table["step"] == 1) | (table["request"] == "random-rate=0.2-steps=3")]
    panels = drawn(table, plan.experiments["e"].figure)
    assert [x for x, _ in panels[""]["finetune"]] == [0.1, 0.2]
    last = table.query("step == 3 and variant == 'finetune'")["mean"].item()
    assert panels[""]["finetune"][1][1] == last


NAMES = ["gradient_ascent", {"name": "finetune", "epochs": 3, "lr": [0.02, 0.1]}]


def test_names_are_read_from_top_to_bottom():
    """Each beside its value, without what its like all say; no legend repeats them."""
    figure = {"x": "variant", "y": ["kl", "loss"], "split": ["test"], "facet": "split"}
    plan = experiment(figure, method=NAMES, request={"name": "random", "rate": 0.1})
    table = made_up(plan)
    figure = lines.draw(table, plan.experiments["e"].figure)
    first, second = [a for a in figure.axes if a.get_visible()]
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
        shown = {bars.get_label(): bars.lines[0].get_data() for bars in axis.containers}
        for row, variant in enumerate(means.index.drop_duplicates()):
            assert [*shown[variant][0]] == [means[variant]] and [*shown[variant][1]] == [row]
    pyplot.close("all")


def test_named_rows_stay_within_what_values_can_be():
    """Accuracy ends at 100 %; a distance of 0 has a place on a logarithmic axis."""
    spec = {"x": "variant", "y": "accuracy", "split": ["test"]}
    plan = experiment(spec, method=NAMES, request={"name": "random", "rate": 0.1})
    table = made_up(plan)
    table[["mean", "ci_low", "ci_high"]] = [0.96, 0.7, 1.2]
    (axis,) = lines.draw(table, plan.experiments["e"].figure).axes
    ends = [s.get_segments()[0][:, 0] for bars in axis.containers for s in bars.lines[2]]
    assert max(map(max, ends)) == pytest.approx(100) and min(map(min, ends)) == pytest.approx(70)
    plan = experiment(spec | {"y": "kl", "yscale": "log"}, method=NAMES, **ONE)
    table = made_up(plan)
    table.loc[table["variant"] == "retrain", ["mean", "ci_low", "ci_high"]] = 0.0
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
    (axis,) = [a for a in figure.axes if a.get_visible()]
    retrain = table.query("variant == 'retrain'")["mean"].item()
    assert retrain in [line.get_xdata()[0] for line in axis.get_lines()]
    assert len(axis.patches) == 2  # the intervals of retrain and original
    rows = [bars.lines[0].get_ydata() for bars in axis.containers]
    assert [[round(r) for r in line] for line in rows] == [[0, 1], [0, 1]]
    assert 0 < abs(rows[0][0] - rows[1][0]) < 0.5 and figure.legends
    pyplot.close("all")


def test_accuracy_is_in_percent_with_its_interval():
    plan = experiment({"x": "rate", "y": "accuracy", "split": ["test"]})
    table = made_up(plan)
    panels = drawn(table, plan.experiments["e"].figure)
    every_mean_is_drawn_once(table, panels, scale=100)


def scores(**columns):
    rows = pd.DataFrame(columns)
    for name in tables.CELL:
        if name not in rows:
            rows[name] = 1 if name == "step" else 0.1 if name == "rate" else "x"
    return rows


def test_diverged_models_are_counted_and_never_averaged():
    table = tables.summarise(
        scores(
            seed=[0, 1, 2] * 2,
            metric=["wall_seconds"] * 3 + ["diverged"] * 3,
            split=["forget"] * 6,
            value=[1.0, 3.0, 100.0, 0, 0, 1],
        ),
        ["wall_seconds"],
        [],
        {},
    )
    row = table.iloc[0]
    assert row["mean"] == 2 and row["n"] == 2 and row["diverged"] == 1


def test_a_diverged_original_does_not_spoil_retraining():
    table = tables.summarise(
        scores(
            seed=[0, 0, 0, 0],
            metric=["accuracy", "wall_seconds", "diverged", "diverged"],
            split=["test", "learn", "learn", "forget"],
            value=[0.5, 9.0, 1, 0],
        ),
        ["accuracy", "wall_seconds"],
        [],
        {},
    )
    means = dict(zip(table["metric"], table["mean"], strict=True))
    assert means["accuracy"] == 0.5 and np.isnan(means["wall_seconds"])


def test_one_seed_has_no_interval():
    table = tables.summarise(
        scores(seed=[0], metric=["kl"], split=["test"], value=[0.5]), ["kl"], [], {}
    )
    assert table["n"].item() == 1 and table[["ci_low", "ci_high"]].isna().all(axis=None)
