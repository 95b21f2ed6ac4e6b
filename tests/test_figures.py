"""Figures and the landing page show the table's numbers, each at its place."""

import copy
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY
from matplotlib import pyplot

from unlearn import intervals, layout, overview, study, tables
from unlearn.figures import _categories, _style, lines

BASE = {
    "dataset": "digits",
    "model": "mlp",
    "method": ["finetune"],
    "request": {"name": "random", "rate": [0.1, 0.2]},
}


def experiment(figure, **parts):
    config = copy.deepcopy(TINY)
    config["datasets"]["digits"]["held_out"] = 0.2
    config["experiments"] = {"e": BASE | parts | {"figure": figure}}
    return study.load(yaml.safe_load(yaml.safe_dump(config)))


def made_up(plan, steps=1) -> pd.DataFrame:
    """The table of an experiment with a mean of its own in every row."""
    e = plan.experiments["e"]
    rows = []
    for cell in e.cells:
        request = plan.requests[cell.request]
        for step in range(1, steps + 1):
            for metric in e.figure["y"]:
                for split in e.figure["split"] or ["forget"]:
                    rows += [
                        {
                            "dataset": cell.dataset,
                            "model": cell.model,
                            "method": plan.variants[cell.variant].kind,
                            "variant": cell.variant,
                            "request": cell.request,
                            "sampler": request.kind,
                            "rate": request.parameters.get("rate") or 0.05,
                            "step": step,
                            "points": (request.parameters.get("count") or 30) * step // steps,
                            "seed": seed,
                            "metric": m,
                            "split": s,
                            "value": v,
                        }
                        for seed in (0, 1)
                        for m, s, v in [
                            (metric, split, len(rows) / 1000 + seed * 1e-6),
                            ("completed", "forget", 1),
                            ("diverged", "forget", 0),
                        ]
                    ]
    scores = pd.DataFrame(rows).drop_duplicates()
    return tables.summarise(scores, e.figure["y"], e.figure["split"], e.columns)


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
    chosen = [layout.chosen(row, block) for row in table.to_dict("records")]
    every_mean_is_drawn_once(table[chosen], panels)
    if expected is not None:
        assert {title: len(place) for title, place in panels.items()} == expected
    page = overview.page("s", [], [], {}, {"e": ("", block, table)}, {})
    assert page.count("list-table") == 3 + len(tables.panels(table, block))


def test_lines_of_one_colour_differ_by_method():
    """Colour says the model, dashes say retrain; a method's parameter has colours of its own."""
    figure = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "model"}
    plan = experiment(figure, model=["mlp", "logistic"])
    table = made_up(plan)
    _, part = tables.panels(table, plan.experiments["e"].figure)[0]
    styles = _style.line_styles(dict(zip(part["line"], part["shade"], strict=True)))
    assert styles["mlp, retrain"]["color"] == styles["mlp, finetune"]["color"]
    assert styles["mlp, retrain"]["color"] != styles["logistic, retrain"]["color"]
    assert styles["mlp, retrain"]["linestyle"] == "--" != styles["mlp, finetune"]["linestyle"]
    by_epochs = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "method.epochs"}
    plan = experiment(by_epochs, method={"name": "finetune", "epochs": [1, 2]})
    _, part = tables.panels(made_up(plan), plan.experiments["e"].figure)[0]
    styles = _style.line_styles(dict(zip(part["line"], part["shade"], strict=True)))
    assert len({style["color"] for style in styles.values()}) == 4


def test_methods_look_the_same_in_every_figure():
    asked = [["gradient_ascent", "finetune"], ["finetune", {"name": "finetune", "epochs": 9}]]
    styles = []
    for method in asked:
        figure = {"x": "rate", "y": "kl", "split": ["forget"], "colour": "variant"}
        plan = experiment(figure, method=method)
        _, part = tables.panels(made_up(plan), plan.experiments["e"].figure)[0]
        names = dict(zip(part["line"], part["shade"], strict=True))
        methods = dict(zip(part["line"], part["method"], strict=True))
        styles.append(_style.line_styles(names, methods))
    assert styles[0]["finetune"] == styles[1]["finetune"] != styles[0]["gradient_ascent"]
    assert styles[1]["finetune-epochs=9"]["color"] != styles[1]["finetune"]["color"]


def test_the_y_axis_says_what_metrics_share():
    assert _style.metrics_label(["l2"]) == "L2 distance to the oracle"
    both = ["accuracy", "vote_accuracy", "lone_accuracy"]
    assert _style.metrics_label(both) == "Accuracy (%)"
    both = ["expected_gradient_evaluations", "gradient_evaluations"]
    assert _style.metrics_label(both) == "Gradient evaluations"
    assert _style.metrics_label(["kl", "flops"]) == "KL(oracle || model) (nats), FLOPs"


def test_labels_of_a_logarithmic_axis_do_not_touch():
    """Long ones give way sooner than short ones."""
    labels = lines._sparse([0.00005, 0.0002, 0.001, 0.01, 0.05, 0.2])
    assert labels == ["5e-5", "", "0.001", "0.01", "0.05", "0.2"]
    assert lines._sparse([1, 2, 5, 10, 20, 50]) == ["1", "2", "5", "10", "20", "50"]


def test_a_logarithmic_axis_does_not_magnify_chance():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"], "yscale": "log"})
    table = made_up(plan)
    table["mean"] = table["ci_low"] = table["ci_high"] = 20 + table["mean"]
    low, high = lines.draw(table, plan.experiments["e"].figure).axes[0].get_ylim()
    assert low < 20 < high and high / low == pytest.approx(10)


def test_an_interval_that_reaches_0_goes_on_to_the_end_of_a_logarithmic_axis():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"], "yscale": "log"})
    table = made_up(plan)
    table["mean"], table["ci_low"], table["ci_high"] = 2.0, 1.0, 3.0
    table.loc[table["variant"] == "finetune", "ci_low"] = -1.0
    axis = lines.draw(table, plan.experiments["e"].figure).axes[0]
    bottom = axis.get_ylim()[0]
    assert 0.1 < bottom < 1
    ends = [band.get_paths()[0].vertices[:, 1].min() for band in axis.collections]
    assert sorted(end <= bottom for end in ends) == [False, False, True]
    pyplot.close("all")


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (2.0, 30.0, {"2", "10", "30"}),
        (20_000, 90_000, {"20,000", "60,000"}),
        (2e6, 9e6, {r"$\mathdefault{2\times10^{6}}$"}),
        (1e-9, 1e-3, {r"$\mathdefault{10^{-5}}$"}),
    ],
)
def test_numbers_of_a_logarithmic_axis_are_plain_where_they_are_short(least, most, expected):
    _, axis = pyplot.subplots()
    axis.plot([1, 2], [least, most])
    axis.set_yscale("log")
    _style.write_numbers(axis.yaxis)
    axis.figure.draw_without_rendering()
    ticks = [*axis.yaxis.get_major_ticks(), *axis.yaxis.get_minor_ticks()]
    labels = {tick.label1.get_text() for tick in ticks}
    assert expected <= labels, labels
    pyplot.close("all")


def test_requests_are_counted_in_whole_numbers():
    plan = experiment({"x": "step", "y": "flops", "split": ["forget"]}, **ONE)
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
    noise = {"name": "random", "epsilon": 0.1}
    plan = experiment(
        figure | {"methods": ["original"]},
        dataset={"name": "digits", "noise": noise, "noised": [0, 0.5]},
        request="noised",
        method="original",
    )
    table = made_up(plan)
    noisy = {name for name, data in plan.datasets.items() if data.parameters["noised"]}
    table["noise.kind"] = ["random" if name in noisy else None for name in table["dataset"]]
    table.loc[table["noise.kind"].isna(), "rate"] = np.nan
    (axis,) = lines.draw(table, plan.experiments["e"].figure).axes
    styles = {h.get_label(): h.get_color() for h in axis.get_lines()}
    assert styles["original"] == _style.CONTROL_STYLES["original"]["color"]
    assert set(styles) == {"random noise", "original"}
    pyplot.close("all")


def test_the_last_step_of_each_request_is_shown():
    requests = [{"name": "random", "rate": 0.1}, {"name": "random", "rate": 0.2, "steps": 3}]
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]}, request=requests)
    table = made_up(plan, steps=3)
    table = table[(table["step"] == 1) | (table["request"] == "random-rate=0.2-steps=3")]
    panels = drawn(table, plan.experiments["e"].figure)
    assert [x for x, _ in panels[""]["finetune"]] == [0.1, 0.2]
    last = table.query("step == 3 and variant == 'finetune'")["mean"].item()
    assert panels[""]["finetune"][1][1] == last


ONE = {"request": {"name": "random", "rate": 0.1}}
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


def test_labels_are_cut_at_parameters_only():
    """Numbers have dashes of their own."""
    names = ["m-lr=1e-05", "m-lr=0.0001", "x-alpha=-1", "x-alpha=-2", "retrain@sisa-shards=5"]
    assert _categories.labels(names) == names
    assert _categories.labels(["m-a=1-lr=1e-05", "m-a=1-lr=1e-04"]) == ["m-lr=1e-05", "m-lr=1e-04"]
    (long,) = _categories.labels(["error_minimizing_noise-epochs=3"])
    assert long == "error_minimizing_noise\nepochs=3"


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


@pytest.mark.parametrize("span", [(1.1, 1.7), (0.9, 4), (5e4, 9.5e4), (2e10, 6e11), (1, 1e5)])
def test_labels_of_named_panels_do_not_touch(span):
    """On a logarithmic axis, and beside panels that are lower than their label is long."""
    spec = {"x": "method.weights", "y": ["flops/forget", "kl/test", "loss/test"]}
    spec |= {"yscale": "log"}
    method = {"name": "influence_distillation", "weights": ["uniform", "fisher"]}
    plan = experiment(spec, method=method, **ONE)
    table = made_up(plan)
    table[["mean", "ci_low", "ci_high"]] = span[0]
    table.loc[table["variant"] == "influence_distillation", ["mean", "ci_low", "ci_high"]] = span[1]
    figure = lines.draw(table, plan.experiments["e"].figure)
    figure.draw_without_rendering()
    axis = figure.axes[0]
    ticks = (*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks())
    low, high = axis.get_xlim()
    shown = [t.label1 for t in ticks if t.label1.get_text() and low <= t.get_loc() <= high]
    boxes = sorted((label.get_window_extent().extents for label in shown), key=lambda box: box[0])
    assert len(boxes) >= 2
    assert all(left[2] <= right[0] for left, right in pairwise(boxes))
    lowest = 1.1 * figure.dpi  # of a panel, with its title and its own labels
    assert axis.yaxis.label.get_window_extent().height <= lowest
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
    rows = [bars.lines[0].get_ydata() for bars in axis.containers]
    assert [[round(r) for r in line] for line in rows] == [[0, 1], [0, 1]]
    assert 0 < abs(rows[0][0] - rows[1][0]) < 0.5 and figure.legends
    pyplot.close("all")


def test_accuracy_is_in_percent_with_its_interval():
    plan = experiment({"x": "rate", "y": "accuracy", "split": ["test"]})
    table = made_up(plan)
    panels = drawn(table, plan.experiments["e"].figure)
    every_mean_is_drawn_once(table, panels, scale=100)


def test_the_landing_page_prints_the_numbers_of_the_table():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]})
    table = made_up(plan)
    table["mean"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    table["ci_low"], table["ci_high"] = table["mean"] - 0.01, table["mean"] + 0.01
    page = overview.page("s", [], [], {}, {"e": ("what", plan.experiments["e"].figure, table)}, {})
    flat = page.replace("\u202f", " ")
    for value in table["mean"]:
        assert f"{value:.3f} ± 0.010" in flat


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [
        (0.5, 0.01, "0.500 ± 0.010"),
        (90_000.0, 0.0, "90,000"),
        (90_000.5, 20.0, "90,000 ± 20"),
        (7.79, 1e-16, "7.79"),
        (5.52e-5, 4.1e-6, "(5.52 ± 0.41)e-5"),
        (0.0, 0.0, "0"),
        (0.0, 0.01, "0 ± 0.01"),
        (3.0, float("nan"), "3.00"),
    ],
)
def test_means_and_intervals_are_written_for_readers(mean, half, expected):
    assert intervals.with_half(mean, half, None) == expected


def test_the_landing_page_names_a_method_once_for_each_guarantee():
    guarantees = {
        "sisa-shards=5": ("exact", "isolated shards"),
        "sisa-shards=20-slices=2": ("exact", "isolated shards"),
        "original@sisa-shards=5": ("none", "nothing is done"),
        "deltagrad": ("approximate", ""),
        "deltagrad-mode=online": ("none", "made up"),
    }
    page = overview.page("s", [], [], guarantees, {}, {})
    assert page.count("sisa") == 2 and "shards=" not in page and "original\\@sisa" in page
    assert "deltagrad-mode=online" in page


def test_the_landing_page_counts_many_variants_of_one_guarantee():
    guarantees = {f"sisa-shards={n}": ("exact", "isolated shards") for n in range(2, 8)}
    guarantees["sisa-partition=kmeans"] = ("conditional", "centroids know the points")
    page = overview.page("s", [], [], guarantees, {}, {})
    assert "6 variants of sisa, such as sisa-shards=2" in page and "sisa-shards=3" not in page
    assert "sisa-partition=kmeans" in page


def test_the_landing_page_opens_with_what_was_run_and_ends_with_the_data():
    data = {"name": "d", "train_points": 1, "test_points": 1, "held_out_points": 0, "sha256": "0"}
    page = overview.page("s", [("Study", "s")], [data], {"finetune": ("none", "")}, {}, {})
    places = [page.index(t) for t in ("What was run", "Guarantees", "Results", "Data sets")]
    assert places == sorted(places)


def test_descriptions_cannot_break_the_page():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]})
    block = plan.experiments["e"].figure
    page = overview.page(
        "s", [], [], {}, {"e": ("{% a {{b}} *c* |d| e@f", block, made_up(plan))}, {}
    )
    assert "{" not in page and "\\*c\\*" in page and "e\\@f" in page


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
