"""Figures and pages of metrics of populations: samples, reasons and labels."""

from dataclasses import fields
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up, page_of
from unlearn.core import registry
from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import _labels

POPULATION = {"originals": 8, "oracles": 16, "unlearned": 8}
REASON = "8 models in the smaller fleet; forgetting quality needs 32"
LINES = {"x": "variant", "y": ["klom/forget", "zrf/forget"]}
DOTS = {
    "kind": "dots",
    "x": "gradient_evaluations/forget",
    "y": ["kl/forget", "klom/forget", "epsilon/forget"],
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


def audited(figure, population=POPULATION, **parts):
    """The figure block of an experiment with a population, and its table as audits make it.

    Metrics of populations are over eight models, and forgetting quality has no value.
    """
    plan = experiment(figure, population=population, **(ONE_REQUEST | parts))
    table = made_up(plan)
    is_audit = table["metric"].map(lambda name: METRICS[name].scope == "population")
    table.loc[is_audit, ["n", "flags"]] = 8, ""
    is_empty = table["metric"] == "zrf"
    table.loc[is_empty, MEANS] = np.nan
    table.loc[is_empty, "n"] = 0
    return plan.experiments["e"].figure, table.assign(reason=np.where(is_empty, REASON, None))


def drawn(table, block):
    picture = registry.find("figures", block["kind"])().draw(table, block)
    picture.draw_without_rendering()
    return picture


def notes(picture):
    return picture.get_supxlabel().replace("\n", " ")


def visible_axes(picture):
    return [axis for axis in picture.axes if axis.get_visible()]


def numbers(axis):
    """The texts beside a panel, from top to bottom."""
    texts = [text for text in axis.texts if text.xyann == (4, 0)]
    return [text.get_text().replace("\u2212", "-") for text in texts]


def test_intervals_of_populations_are_over_models():
    block, table = audited(LINES)
    text = notes(drawn(table, block))
    assert "value and 95 % interval over n = 8 models a side" in text and "seeds" not in text
    table.loc[table["n"] == 8, "n"] = 1
    assert "n = 1 model a side: no interval" in notes(drawn(table, block))


def test_a_figure_of_both_kinds_names_the_metrics_of_each():
    block, table = audited(DOTS)
    lines = drawn(table, block).get_supxlabel().split("\n")
    assert "kl, gradient_evaluations: mean and 95 % t interval over n = 2 seeds" in lines
    assert "klom, epsilon: value and 95 % interval over n = 8 models a side" in lines


def test_a_metric_without_a_value_says_why():
    block, table = audited(LINES)
    text = notes(drawn(table, block))
    assert f"no value of zrf ({REASON}): original, retrain, finetune" in text
    is_empty = table["metric"] == "zrf"
    table.loc[is_empty, "reason"] = ["first", "second", "third"]
    assert "zrf (first / second): original" in notes(drawn(table, block))


def test_a_metric_without_a_value_has_no_panel_beside_others():
    block, table = audited(LINES)
    labels = [axis.get_xlabel() for axis in visible_axes(drawn(table, block))]
    assert labels == ["KLoM (nats)"]
    block, table = audited(LINES | {"y": "zrf/forget"})
    assert len(visible_axes(drawn(table, block))) == 1


def test_a_panel_without_a_value_stays_if_its_metric_has_one_elsewhere():
    block, table = audited({"x": "variant", "y": ["klom"], "split": ["forget", "test"]})
    is_empty = table["split"] == "test"
    table.loc[is_empty, MEANS] = np.nan
    table.loc[is_empty, "n"] = 0
    assert len(visible_axes(drawn(table, block))) == 2


def test_a_value_over_fewer_models_than_others_shows_how_many():
    block, table = audited(DOTS)
    is_small = (table["metric"] == "klom") & (table["variant"] == "finetune")
    table.loc[is_small, ["mean", "ci_low", "ci_high", "n"]] = 0.0, -3.0, 3.0, 1
    by_title = {axis.get_title("left"): axis for axis in drawn(table, block).axes}
    assert "0 ± 3 (n = 1)" in numbers(by_title["KLoM, deleted points"])
    others = [text for axis in by_title.values() for text in numbers(axis)]
    assert sum("(n =" in text for text in others) == 1


def test_a_panel_that_is_flagged_for_its_models_shows_them_beside_larger_panels():
    """The note below gives both numbers, and does not say which panel has which."""
    block, table = audited(DOTS)
    table.loc[table["metric"] == "klom", ["n", "flags"]] = 4, "n < 5"
    by_title = {axis.get_title("left"): axis for axis in drawn(table, block).axes}
    assert all(text.endswith("(n = 4)") for text in numbers(by_title["KLoM, deleted points"]))
    assert not any("(n =" in text for text in numbers(by_title["Epsilon"]))


def label_boxes(picture):
    labels = [axis.xaxis.label for axis in visible_axes(picture)]
    return [label.get_window_extent() for label in labels if label.get_text()]


LONG = ["ulira_tpr_at_one_percent", "svc_efficacy", "accuracy_threshold_failures", "epsilon"]


@pytest.mark.parametrize("kind", ["lines", "dots"])
def test_long_labels_of_x_axes_neither_touch_nor_leave_the_figure(kind):
    metrics = [f"{metric}/forget" for metric in LONG]
    block, table = audited(
        {"x": "variant", "y": metrics} if kind == "lines" else DOTS | {"y": metrics}
    )
    picture = drawn(table, block)
    boxes = label_boxes(picture)
    assert len(boxes) >= 4
    assert all(box.x0 >= 0 and box.x1 <= picture.bbox.width for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_long_labels_of_y_axes_are_no_higher_than_their_panels():
    block, table = audited({"x": "rate", "y": [f"{metric}/forget" for metric in LONG[:2]]})
    for axis in visible_axes(drawn(table, block)):
        assert axis.yaxis.label.get_window_extent().height <= axis.bbox.height


@pytest.mark.parametrize(
    ("column", "label"),
    [("unlearned", "Models a side"), ("oracles", "Oracles"), ("originals", "Originals")],
)
def test_sizes_of_populations_have_labels_and_whole_numbers(column, label):
    block, table = audited({"x": "rate", "y": "klom/forget"})
    populations = [POPULATION, {"originals": 4, "oracles": 8, "unlearned": 4}]
    parts = [
        table.assign(**{f"population.{name}": size for name, size in population.items()})
        for population in populations
    ]
    both = pd.concat(parts, ignore_index=True)
    (axis,) = drawn(both, block | {"x": f"population.{column}"}).axes
    assert axis.get_xlabel() == label
    assert all(tick == round(tick) for tick in axis.get_xticks())


def test_a_sham_says_which_method_it_is_of():
    names = ["sham", "sham-of=gradient_ascent", "sham-of=retrain-draw=1", "sham-of=scrub"]
    methods = {"finetune": "fine-tuning", "retrain": "retrained", "scrub": "SCRUB"}
    assert list(_labels.variant_labels(names, methods).values()) == [
        "Sham of fine-tuning",
        "Sham of gradient ascent",
        "Sham of retraining, draw 1",
        "Sham of SCRUB",
    ]
    names = ["sham-of=gradient_ascent-draw=1", "sham-of=gradient_ascent-draw=2"]
    labels = list(_labels.variant_labels(names, {}).values())
    assert labels == ["Sham of gradient ascent, draw 1", "Sham of gradient ascent, draw 2"]


def test_a_sham_without_a_method_in_its_name_is_of_the_default():
    defaults = {field.name: field.default for field in fields(registry.find("methods", "sham"))}
    assert defaults["of"] == _labels.SHAM_DEFAULT


def test_the_page_has_one_column_of_values_where_x_names_the_lines():
    block, table = audited(LINES)
    page = page_of(experiments={"e": ("", block, table)}).replace("\u202f", " ")
    results = page[page.index("Results") : page.index("Data sets")]
    rows = results.split("   * - ")[1:]
    assert all(row.count("     - ") == 1 for row in rows) and len(rows) == 2 * 4
    assert "klom\n     - value" in results


def test_the_page_tells_what_seeds_can_find_for_metrics_of_seeds_alone():
    block, table = audited(LINES)
    assert "paired test" not in page_of(experiments={"e": ("", block, table)})
    block, table = audited(DOTS)
    assert "With n = 2 seeds" in page_of(experiments={"e": ("", block, table)})
