"""Quality against cost, wide tables, and the floor that chance sets."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from tests.support.figures import experiment, made_up
from tests.support.project import SMALL
from unlearn.evaluation import placement, score, tables, wide_tables
from unlearn.metrics.divergence import jensen_shannon, kl
from unlearn.report import landing_page
from unlearn.report.figures import frontier
from unlearn.requests.request import Request
from unlearn.study.load import StudyError

FIGURE = {
    "kind": "frontier",
    "x": "gradient_evaluations/forget",
    "y": "kl",
    "split": ["forget", "test"],
    "xscale": "log",
}
ONE = {"request": {"name": "random", "rate": 0.1}}
COSTS = {"original": 0.0, "retrain": 1000.0, "finetune": 100.0, "gradient_ascent": 50.0}
DISTANCES = {"original": 0.4, "retrain": 0.0, "finetune": 0.3, "gradient_ascent": 0.5}


def compared(**change):
    """An experiment with the numbers above, and its figure block."""
    plan = experiment(FIGURE | change, method=["finetune", "gradient_ascent"], **ONE)
    table = made_up(plan)
    of_cost = table["metric"] == "gradient_evaluations"
    for column in ("mean", "ci_low", "ci_high"):
        table.loc[of_cost, column] = table["variant"].map(COSTS)
        table.loc[~of_cost, column] = table["variant"].map(DISTANCES)
    return plan.experiments["e"], table


def axes(table, figure):
    found = {axis.get_title(): axis for axis in frontier.draw(table, figure).axes}
    pyplot.close("all")
    return found


def points(axis):
    """Line -> (x, y) of its one point; a horizontal line has x None."""
    found = {}
    for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
        line = handle[0] if isinstance(handle, tuple) else handle
        x, y = line.get_xdata(), line.get_ydata()
        if name != "frontier":
            found[name] = (None if len(x) == 2 else x[0], y[0])
    return found


def test_every_variant_is_a_point_and_doing_nothing_a_line():
    e, table = compared()
    panels = axes(table, e.figure)
    assert set(panels) == {"forget", "test"}
    for axis in panels.values():
        expected = {n: (COSTS[n] or None, DISTANCES[n]) for n in COSTS}
        assert points(axis) == expected


def frontier_of(table, figure):
    axis = axes(table, figure)["forget"]
    found = [x for x in axis.get_lines() if x.get_label() == "frontier"]
    return [(list(x.get_xdata()), list(x.get_ydata())) for x in found]


def moved(table, **distances):
    """The table with other distances of these variants."""
    table = table.copy()
    for variant, y in distances.items():
        rows = (table["variant"] == variant) & (table["metric"] == "kl")
        table.loc[rows, ["mean", "ci_low", "ci_high"]] = y
    return table


def test_the_frontier_joins_what_nobody_beats_in_both():
    e, table = compared()
    table = moved(table, gradient_ascent=0.35, finetune=0.36)  # which costs more and is no better
    assert frontier_of(table, e.figure) == [([50, 100, 1000], [0.35, 0.35, 0])]


def test_what_doing_nothing_beats_is_not_on_the_frontier():
    e, table = compared()
    assert frontier_of(table, e.figure) == [([100, 1000], [0.3, 0])]  # no gradient ascent
    assert frontier_of(moved(table, retrain=0.4, finetune=0.4), e.figure) == []


def test_what_is_not_told_from_doing_nothing_is_not_on_the_frontier():
    """Its interval must lie below that of doing nothing."""
    e, table = compared()
    of_kl = table["metric"] == "kl"
    original, finetune = (of_kl & (table["variant"] == v) for v in ("original", "finetune"))
    table.loc[original, ["ci_low", "ci_high"]] = 0.35, 0.45
    for high, expected in ((0.36, []), (0.34, [([100, 1000], [0.3, 0])])):
        table.loc[finetune, ["ci_low", "ci_high"]] = 0.6 - high, high
        assert frontier_of(table, e.figure) == expected


def test_a_method_is_measured_against_doing_nothing_with_its_own_trainer():
    plan = experiment(FIGURE, method=["finetune", {"name": "sisa", "shards": 3}], **ONE)
    table = made_up(plan)
    numbers = {
        "original": (0.0, 0.1), "retrain": (1000.0, 0.0), "finetune": (100.0, 0.3),
        "original@sisa-shards=3": (0.0, 0.5), "retrain@sisa-shards=3": (900.0, 0.0),
        "sisa-shards=3": (300.0, 0.3),
    }  # fmt: skip
    for name, (cost, distance) in numbers.items():
        rows = table["variant"] == name
        of_cost = table["metric"] == "gradient_evaluations"
        columns = ["mean", "ci_low", "ci_high"]
        table.loc[rows & of_cost, columns] = cost
        table.loc[rows & ~of_cost, columns] = distance
    figure = plan.experiments["e"].figure
    assert frontier_of(table, figure) == [([300, 900, 1000], [0.3, 0, 0])]
    axis = axes(table, figure)["forget"]
    its = "original@sisa-shards=3"
    assert set(points(axis)) == {"original", "retrain", "finetune", "sisa-shards=3", its}
    blue = next(x for x in axis.get_lines() if x.get_label() == "sisa-shards=3").get_color()
    own = [x for x in axis.get_lines() if x.get_label() == "_" and x.get_color() == blue]
    assert [x.get_ydata()[0] for x in own] == [0]  # its oracle
    nothing = next(x for x in axis.get_lines() if x.get_label() == its)
    assert nothing.get_color() == blue and nothing.get_ydata()[0] == 0.5


@pytest.mark.parametrize("least", [2e-10, 0.05, 0.9])
def test_a_logarithmic_axis_reaches_down_to_0_and_names_it_apart(least):
    e, table = compared(yscale="log")
    axis = axes(moved(table, finetune=least), e.figure)["forget"]
    axis.figure.draw_without_rendering()
    shown = [t for t in axis.get_yticklabels() if t.get_text() and t.get_position()[1] < 1]
    boxes = sorted((t.get_window_extent() for t in shown), key=lambda box: box.y0)
    assert axis.get_ylim()[0] == 0 and shown[0].get_text() == "$\\mathdefault{0}$"
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    heights = axis.transData.transform([(1, min(least, 0.4)), (1, 0)])[:, 1]
    assert 0.04 < (heights[0] - heights[1]) / axis.get_window_extent().height < 0.75


def test_another_retraining_is_drawn_where_the_table_has_it():
    e, table = compared()
    floor = table[(table["variant"] == "retrain") & (table["metric"] == "kl")]
    table = pd.concat([table, floor.assign(metric="kl_reseeded", mean=0.05)])
    assert points(axes(table, e.figure)["test"])["another retraining"] == (None, 0.05)


def test_the_landing_page_has_one_table_of_a_frontier():
    e, table = compared()
    page = landing_page.page("s", [], [], {}, {"e": ("", e.figure, table)}, {})
    assert page.count("list-table") == 4
    for words in ("kl/forget", "kl/test", "gradient\\_evaluations/forget", "0.300"):
        assert words in page
    assert "kl/learn" not in page


def test_wide_tables_hold_the_numbers_of_the_long_one():
    _, table = compared()
    columns = ["kl/test", "gradient_evaluations/forget", "l2/weights"]
    wide = wide_tables.wide(table, columns).set_index("variant")
    assert wide["kl/test/mean"].to_dict() == DISTANCES
    assert wide["gradient_evaluations/forget/ci_low"].to_dict() == COSTS
    assert wide["l2/weights/mean"].isna().all()  # no value is empty, not 0
    text = wide_tables.readable(table, columns).set_index("variant")
    assert text.loc["finetune", "kl/test"].startswith("0.300")
    assert wide["kl/test/n"].to_dict() == dict.fromkeys(DISTANCES, 2) and not wide["failed"].any()
    assert "accuracy/test (%)" in wide_tables.readable(table, ["accuracy/test"])
    assert set(text["l2/weights"]) == {""}
    assert set(text["guarantee"]) == {"none", "exact"}


def test_summaries_of_a_run(project):
    """As CSV, Markdown and LaTeX, with metrics that the figure does not draw."""
    columns = ["accuracy/test", "kl_reseeded/forget", "wall_seconds/learn"]
    block = SMALL["experiments"]["accuracy"] | {"figure": FIGURE | {"facet": "request"}}
    tiny = SMALL | {"experiments": {"accuracy": block | {"summary": columns}}}
    project.write_study(tiny)
    project.run()
    wide = pd.read_csv(project.results("summaries/accuracy.csv"))
    assert wide["accuracy/test/mean"].between(0, 1).all()
    retrained = wide["variant"] == "retrain"
    assert (wide.loc[retrained, "kl_reseeded/forget/mean"] > 0).all()
    assert wide.loc[~retrained, "kl_reseeded/forget/mean"].isna().all()
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


def test_the_floor_is_the_mean_over_the_other_seeds():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 1, 4, 2))  # three seeds; points 0, 1 and two test points
    tensors = [{"w": np.array([float(k), 0.0])} for k in (0, 3, 7)]
    fleet = score.Fleet(
        logits,
        np.empty((3, 1, 0, 4)),
        lambda k, t: tensors[k],
        ["w"],
        [[{"diverged": False, "gradient_evaluations": 1, "wall_seconds": 1.0}]] * 3,
    )
    nobody = np.array([], int)
    steps = list(Request([np.array([0])], [nobody]).steps(2, np.arange(2)))
    points = score.Points(np.array([0, 1]), np.array([1]), np.array([0, 1]), np.array([1, 0]))

    def rows(model, oracle):
        found = score.score(points, steps, [0, 1, 2], model, oracle, tensors, [])
        return {(seed, metric, split): value for _, seed, metric, split, value in found}

    found = rows(fleet, fleet)
    for seed, others in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1))):
        pairs = [(logits[other, 0, 2:], logits[seed, 0, 2:]) for other in others]
        for metric, measure in (("kl_reseeded", kl), ("js_reseeded", jensen_shannon)):
            mean = np.mean([measure(*pair) for pair in pairs])
            assert found[seed, metric, "test"] == pytest.approx(mean, rel=1e-12)
    assert [found[seed, "l2_reseeded", "weights"] for seed in (0, 1, 2)] == [5, 3.5, 5.5]
    assert found[0, "kl", "test"] == 0
    another = score.Fleet(*(getattr(fleet, n) for n in fleet.__dataclass_fields__))
    assert not any(metric in score.FLOOR for _, metric, _ in rows(another, fleet))


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
        experiment(FIGURE | change, **ONE)


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
        experiment(FIGURE | change, **ONE)


def test_a_fleet_of_one_has_no_floor():
    with pytest.raises(StudyError, match=r"kl_reseeded compares .*, seed0 has one"):
        experiment(FIGURE, summary=["kl_reseeded/test"], seeds=1, **ONE)
    experiment(FIGURE, seeds=1, **ONE)  # drawn without one


def test_pairs_of_seeds_have_no_interval():
    scores = made_up_scores([1.0, 2.0, 6.0])
    table = tables.summarise(scores, ["kl", "kl_reseeded"], ["test"], {})
    rows = table.set_index("metric")
    assert rows["mean"].tolist() == [3, 3] and rows["n"].tolist() == [3, 3]
    assert np.isfinite(rows.loc["kl", "ci_low"]) and np.isnan(rows.loc["kl_reseeded", "ci_low"])


def made_up_scores(values):
    cell = dict.fromkeys(score.CELL, "x") | {"rate": 0.1, "step": 1, "points": 3}
    found = [("completed", "forget", 1), ("diverged", "forget", 0)]
    rows = [
        cell | {"seed": seed, "metric": metric, "split": split, "value": value}
        for seed, value in enumerate(values)
        for metric, split, value in [*found, ("kl", "test", value), ("kl_reseeded", "test", value)]
    ]
    return pd.DataFrame(rows)


def test_wide_errors_stay_in_their_panel_and_costless_methods_are_lines():
    """An interval that reaches below zero has no bar there; storing nothing is a point at zero."""
    e, table = compared()
    table.loc[table["variant"] == "finetune", "ci_low"] = -400.0
    axis = axes(table, e.figure)["forget"]
    for bars in axis.containers:
        for segments in bars.lines[2]:
            assert all((segment >= 0).all() for segment in segments.get_segments())
            assert segments.get_clip_on()
    e, table = compared(x="bytes_stored/forget", xscale="linear")
    table.loc[table["metric"] == "bytes_stored", ["mean", "ci_low", "ci_high"]] = 0.0
    assert points(axes(table, e.figure)["forget"])["retrain"] == (0, 0)


@pytest.mark.parametrize("pair", ["kl", "kl/learn", "nothing/forget", "kl/added"])
def test_bad_summaries_are_refused(pair):
    with pytest.raises(StudyError, match=r"experiments.e.summary"):
        experiment(FIGURE, summary=[pair], **ONE)


def test_points_that_nothing_tells_apart_are_refused():
    with pytest.raises(StudyError, match="would share one point"):
        experiment(FIGURE)


def test_only_the_splits_that_are_asked_for_are_drawn():
    e, table = compared()
    more = table[table["metric"] == "kl"].assign(split="retain")
    rows = pd.concat([table, more]).to_dict("records")
    drawn = {(row["metric"], row["split"]) for row in rows if placement.chosen(row, e.figure)}
    assert drawn == {("kl", "forget"), ("kl", "test"), ("gradient_evaluations", "forget")}
