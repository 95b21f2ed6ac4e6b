"""Quality against cost, and the floor that chance sets."""

import itertools

import pandas as pd
import pytest
from matplotlib import pyplot

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up, page_of
from tests.support.project import SMALL
from unlearn.evaluation import placement
from unlearn.report.figures import _frontier as frontier
from unlearn.study.load import StudyError

FIGURE = {
    "kind": "frontier",
    "x": "gradient_evaluations/forget",
    "y": "kl",
    "split": ["forget", "test"],
    "xscale": "log",
}
COSTS = {"original": 0.0, "retrain": 1000.0, "finetune": 100.0, "gradient_ascent": 50.0}
DISTANCES = {"original": 0.4, "retrain": 0.0, "finetune": 0.3, "gradient_ascent": 0.5}


def comparison(**change):
    """The figure block of an experiment, and its table with the numbers above."""
    plan = experiment(FIGURE | change, method=["finetune", "gradient_ascent"], **ONE_REQUEST)
    table = made_up(plan)
    is_cost = table["metric"] == "gradient_evaluations"
    for column in MEANS:
        table.loc[is_cost, column] = table["variant"].map(COSTS)
        table.loc[~is_cost, column] = table["variant"].map(DISTANCES)
    return plan.experiments["e"].figure, table


def axes_by_title(table, figure):
    axes = frontier.draw(table, figure).axes
    pyplot.close("all")
    return {axis.get_title(): axis for axis in axes}


def points_by_line(axis):
    """Line -> (x, y) of its one point; a horizontal line has x None."""
    points = {}
    handles, names = axis.get_legend_handles_labels()
    for handle, name in zip(handles, names, strict=True):
        line = handle[0] if isinstance(handle, tuple) else handle
        x = line.get_xdata()
        if name != "frontier":
            points[name] = (None if len(x) == 2 else x[0], line.get_ydata()[0])
    return points


def test_every_variant_is_a_point_and_doing_nothing_a_line():
    figure, table = comparison()
    panels = axes_by_title(table, figure)
    assert set(panels) == {"forget", "test"}
    expected = {name: (cost or None, DISTANCES[name]) for name, cost in COSTS.items()}
    for axis in panels.values():
        assert points_by_line(axis) == expected


def frontier_lines(table, figure):
    """The (x values, y values) of the frontier; empty if there is none."""
    axis = axes_by_title(table, figure)["forget"]
    steps = [line for line in axis.get_lines() if line.get_label() == "frontier"]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in steps]


def with_distances(table, **distances):
    """A copy of the table in which these variants have these distances."""
    changed = table.copy()
    for variant, y in distances.items():
        rows = (changed["variant"] == variant) & (changed["metric"] == "kl")
        changed.loc[rows, MEANS] = y
    return changed


def test_the_frontier_joins_what_nobody_beats_in_both():
    figure, table = comparison()
    table = with_distances(
        table, gradient_ascent=0.35, finetune=0.36
    )  # which costs more and is no better
    assert frontier_lines(table, figure) == [([50, 100, 1000], [0.35, 0.35, 0])]


def test_what_doing_nothing_beats_is_not_on_the_frontier():
    figure, table = comparison()
    assert frontier_lines(table, figure) == [([100, 1000], [0.3, 0])]  # no gradient ascent
    assert frontier_lines(with_distances(table, retrain=0.4, finetune=0.4), figure) == []


def test_what_is_not_told_from_doing_nothing_is_not_on_the_frontier():
    """The interval of a method must lie below that of doing nothing."""
    figure, table = comparison()
    is_kl = table["metric"] == "kl"
    original = is_kl & (table["variant"] == "original")
    finetune = is_kl & (table["variant"] == "finetune")
    table.loc[original, ["ci_low", "ci_high"]] = 0.35, 0.45
    for high, expected in ((0.36, []), (0.34, [([100, 1000], [0.3, 0])])):
        table.loc[finetune, ["ci_low", "ci_high"]] = 0.6 - high, high
        assert frontier_lines(table, figure) == expected


def test_a_method_is_measured_against_doing_nothing_with_its_own_trainer():
    plan = experiment(FIGURE, method=["finetune", {"name": "sisa", "shards": 3}], **ONE_REQUEST)
    table = made_up(plan)
    numbers = {
        "original": (0.0, 0.1), "retrain": (1000.0, 0.0), "finetune": (100.0, 0.3),
        "original@sisa-shards=3": (0.0, 0.5), "retrain@sisa-shards=3": (900.0, 0.0),
        "sisa-shards=3": (300.0, 0.3),
    }  # fmt: skip
    for name, (cost, distance) in numbers.items():
        rows = table["variant"] == name
        is_cost = table["metric"] == "gradient_evaluations"
        table.loc[rows & is_cost, MEANS] = cost
        table.loc[rows & ~is_cost, MEANS] = distance
    figure = plan.experiments["e"].figure
    assert frontier_lines(table, figure) == [([300, 900, 1000], [0.3, 0, 0])]
    axis = axes_by_title(table, figure)["forget"]
    assert set(points_by_line(axis)) == set(numbers) - {"retrain@sisa-shards=3"}
    lines = {line.get_label(): line for line in axis.get_lines()}
    color = lines["sisa-shards=3"].get_color()
    unnamed = [line for line in axis.get_lines() if line.get_label() == "_"]
    oracle = [line.get_ydata()[0] for line in unnamed if line.get_color() == color]
    assert oracle == [0]
    original = lines["original@sisa-shards=3"]
    assert original.get_color() == color and original.get_ydata()[0] == 0.5


def with_free_method(table, distance):
    """A copy of the table in which `gradient_ascent` costs nothing and has this distance."""
    changed = with_distances(table, gradient_ascent=distance)
    is_free = (changed["variant"] == "gradient_ascent") & (
        changed["metric"] == "gradient_evaluations"
    )
    changed.loc[is_free, MEANS] = 0.0
    return changed


def test_doing_nothing_is_the_control_and_not_another_method_that_costs_nothing():
    """A free method that is worse does not let in what `original` beats; a better one is beaten."""
    figure, table = comparison()
    worse = with_distances(with_free_method(table, 0.9), finetune=0.6)
    assert frontier_lines(worse, figure) == []
    better = with_free_method(table, 0.2)
    assert frontier_lines(better, figure) == [([0, 100, 1000], [0.2, 0.2, 0])]
    panel = frontier.draw(better, figure)
    note = panel.get_supxlabel().replace("\n", " ")
    assert "a cost of 0 has no place on the axis, drawn across: gradient_ascent" in note
    pyplot.close("all")


@pytest.mark.parametrize("methods", [None, ["finetune", "gradient_ascent", "retrain"]])
def test_doing_nothing_is_the_limit_where_the_figure_leaves_it_out_or_draws_it_as_a_point(methods):
    figure, table = comparison(methods=methods)
    table = with_distances(table, finetune=0.45, gradient_ascent=0.6)
    assert frontier_lines(table, figure) == []
    figure, table = comparison(x="bytes_stored/forget", xscale="linear", methods=methods)
    is_cost = table["metric"] == "bytes_stored"
    for column in MEANS:
        table.loc[is_cost, column] = table.loc[is_cost, "variant"].map(COSTS)
    assert frontier_lines(table, figure) == [([100, 1000], [0.3, 0])]


def test_trainers_that_differ_in_a_parameter_have_controls_of_their_own():
    """Of two numbers of shards each is compared with doing nothing with so many."""
    plan = experiment(FIGURE, method={"name": "sisa", "shards": [3, 5]}, **ONE_REQUEST)
    table = made_up(plan)
    numbers = {
        "original@sisa-shards=3": (0.0, 0.2), "original@sisa": (0.0, 0.9),
        "sisa-shards=3": (200.0, 0.4), "sisa": (300.0, 0.4),
        "retrain@sisa-shards=3": (600.0, 0.0), "retrain@sisa": (600.0, 0.0),
    }  # fmt: skip
    is_cost = table["metric"] == "gradient_evaluations"
    for name, (cost, distance) in numbers.items():
        rows = table["variant"] == name
        table.loc[rows & is_cost, MEANS] = cost
        table.loc[rows & ~is_cost, MEANS] = distance
    frontier_points = frontier_lines(table, plan.experiments["e"].figure)
    assert frontier_points == [([300, 600, 600], [0.4, 0, 0])]  # five shards, not three
    assert set(table["method.oracle"]) == {"retrain@sisa", "retrain@sisa-shards=3"}


def test_one_seed_is_drawn_without_an_interval():
    figure, table = comparison(yscale="log")
    table[["ci_low", "ci_high"]] = float("nan")
    table["n"] = 1
    drawn = frontier.draw(table, figure)
    axis = next(axis for axis in drawn.axes if axis.get_title() == "test")
    assert not axis.patches and not any(bars.lines[2] for bars in axis.containers)
    assert "n = 1 seed: no interval" in drawn.get_supxlabel()
    pyplot.close("all")


@pytest.mark.parametrize("distance", [2e-10, 0.05, 0.9])
def test_a_logarithmic_axis_reaches_down_to_0_and_names_it_apart(distance):
    figure, table = comparison(yscale="log")
    axis = axes_by_title(with_distances(table, finetune=distance), figure)["forget"]
    axis.figure.draw_without_rendering()
    texts = [text for text in axis.get_yticklabels() if text.get_text()]
    labels = [text for text in texts if text.get_position()[1] < 1]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.y0)
    assert axis.get_ylim()[0] == 0 and labels[0].get_text() == "$\\mathdefault{0}$"
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    heights = axis.transData.transform([(1, min(distance, 0.4)), (1, 0)])[:, 1]
    assert 0.04 < (heights[0] - heights[1]) / axis.get_window_extent().height < 0.75


def test_another_retraining_is_drawn_where_the_table_has_it():
    figure, table = comparison()
    floor = table[(table["variant"] == "retrain") & (table["metric"] == "kl")]
    table = pd.concat([table, floor.assign(metric="kl_reseeded", mean=0.05)])
    assert points_by_line(axes_by_title(table, figure)["test"])["another retraining"] == (
        None,
        0.05,
    )


def test_the_landing_page_has_one_table_of_a_frontier():
    figure, table = comparison()
    page = page_of(experiments={"e": ("", figure, table)})
    assert page.count("list-table") == 4
    for words in ("kl/forget", "kl/test", "gradient\\_evaluations/forget", "0.300"):
        assert words in page
    assert "kl/learn" not in page


def test_summaries_of_a_run(project):
    """As CSV, Markdown and LaTeX, with metrics that the figure does not draw."""
    columns = ["accuracy/test", "kl_reseeded/forget", "wall_seconds/learn"]
    block = SMALL["experiments"]["accuracy"] | {"figure": FIGURE | {"facet": "request"}}
    tiny = SMALL | {"experiments": {"accuracy": block | {"summary": columns}}}
    project.write_study(tiny)
    project.run()
    wide = pd.read_csv(project.results("summaries/accuracy.csv"))
    assert wide["accuracy/test/mean"].between(0, 1).all()
    is_oracle = wide["variant"] == "retrain"
    assert (wide.loc[is_oracle, "kl_reseeded/forget/mean"] > 0).all()
    assert wide.loc[~is_oracle, "kl_reseeded/forget/mean"].isna().all()
    floors = pd.read_csv(project.results("tables/accuracy.csv")).query("metric == 'kl_reseeded'")
    assert set(floors["split"]) == {"forget", "test"}  # for the figure, asked for or not
    markdown = project.results("summaries/accuracy.md").read_text().splitlines()
    assert len(markdown) == 2 + len(wide) and "| retrain" in "\n".join(markdown)
    assert r"accuracy/test" in project.results("summaries/accuracy.tex").read_text()
    assert project.results("figures/accuracy.svg").stat().st_size > 10_000
    assert project.planned() == []
    tiny["experiments"]["accuracy"]["summary"] = columns[:1]
    project.write_study(tiny)
    jobs = {job.split()[0] for job in project.planned()}
    assert jobs == {"table", "summary", "figure", "report", "complete"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "rate"}, "rate is no metric on a split, as in wall_seconds/forget"),
        ({"x": "kl_seconds/forget"}, "kl_seconds"),
        ({"x": "wall_seconds/test"}, "wall_seconds/test"),
        ({"kind": "lines"}, "gradient_evaluations/forget"),
    ],
)
def test_bad_axes_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        experiment(FIGURE | change, **ONE_REQUEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": "accuracy/test"}, "unknown distance .accuracy"),
        ({"y": ["kl", "accuracy_gap"]}, "unknown distance .accuracy_gap"),
        ({"x": "speedup/forget"}, "unknown cost .speedup"),
        ({"colour": "request"}, "request tells no methods apart"),
    ],
)
def test_a_frontier_is_of_distances_against_costs(change, message):
    with pytest.raises(StudyError, match=message):
        experiment(FIGURE | change, **ONE_REQUEST)


def test_a_fleet_of_one_has_no_floor():
    with pytest.raises(StudyError, match=r"kl_reseeded compares .*, seed0 has one"):
        experiment(FIGURE, summary=["kl_reseeded/test"], seeds=1, **ONE_REQUEST)
    experiment(FIGURE, seeds=1, **ONE_REQUEST)  # drawn without one


def test_wide_errors_stay_in_their_panel_and_costless_methods_are_lines():
    """An interval that reaches below zero has no bar there; storing nothing is a point at zero."""
    figure, table = comparison()
    table.loc[table["variant"] == "finetune", "ci_low"] = -400.0
    axis = axes_by_title(table, figure)["forget"]
    for bars in axis.containers:
        for segments in bars.lines[2]:
            assert all((segment >= 0).all() for segment in segments.get_segments())
            assert segments.get_clip_on()
    figure, table = comparison(x="bytes_stored/forget", xscale="linear")
    table.loc[table["metric"] == "bytes_stored", MEANS] = 0.0
    assert points_by_line(axes_by_title(table, figure)["forget"])["retrain"] == (0, 0)


@pytest.mark.parametrize("pair", ["kl", "kl/learn", "nothing/forget", "kl/added"])
def test_bad_summaries_are_refused(pair):
    with pytest.raises(StudyError, match=r"experiments.e.summary"):
        experiment(FIGURE, summary=[pair], **ONE_REQUEST)


def test_points_that_nothing_tells_apart_are_refused():
    with pytest.raises(StudyError, match="would share one point"):
        experiment(FIGURE)


def test_only_the_splits_that_are_asked_for_are_drawn():
    figure, table = comparison()
    retain = table[table["metric"] == "kl"].assign(split="retain")
    rows = pd.concat([table, retain]).to_dict("records")
    drawn_rows = [row for row in rows if placement.is_in_figure(row, figure)]
    pairs = {(row["metric"], row["split"]) for row in drawn_rows}
    assert pairs == {("kl", "forget"), ("kl", "test"), ("gradient_evaluations", "forget")}
