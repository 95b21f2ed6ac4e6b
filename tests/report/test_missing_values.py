"""Figures and pages of experiments that the plan allows and that have little to show."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from PIL import Image

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up, page_of
from unlearn.core import registry
from unlearn.evaluation import tables
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.report.figures import _style


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


def drawn(table, block, tmp_path):
    """The figure, which has also been saved in both formats."""
    figure = registry.find("figures", block["kind"])().draw(table, block)
    for kind in ("svg", "png"):
        _style.save(figure, tmp_path / f"figure.{kind}", kind)
    return figure


def note(figure):
    return figure.get_supxlabel().replace("\n", " ")


NOTHING = {
    "lines": {"x": "rate", "y": "speedup", "split": ["forget"]},
    "colour by metric": {"x": "rate", "y": ["speedup"], "split": ["forget"], "colour": "metric"},
    "names": {"x": "variant", "y": "gradient_evaluations", "split": ["forget"]},
    "frontier": {"kind": "frontier", "x": "flops/forget", "y": "kl", "split": ["test"]},
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_figure_without_rows_says_so(case, tmp_path):
    """Doing nothing has no speed-up; a table may lack what a figure draws."""
    plan = experiment(NOTHING[case], **ONE_REQUEST)
    block = plan.experiments["e"].figure | {"methods": ["original"]}
    table = made_up(plan)
    table = table[table["variant"] == "original"]
    if case == "frontier":
        table = table[table["metric"] == "flops"]
    picture = drawn(table, block, tmp_path)
    metric = "kl/test" if case == "frontier" else f"{table['metric'].iloc[0]}/forget"
    assert f"nothing to draw: the table has no row for {metric}" in note(picture)
    assert note(picture).endswith("of original")
    assert "list-table" in page_of(experiments={"e": ("", block, table)})


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("x", ["rate", "variant", "flops/forget"])
def test_values_that_are_all_missing_are_named(x, scale, tmp_path):
    figure = {"x": x, "y": "l2", "split": ["weights"], "yscale": scale}
    if "/" in x:
        figure |= {"kind": "frontier", "xscale": scale}
    plan = experiment(figure, **ONE_REQUEST)
    table = made_up(plan)
    is_missing = table["metric"] == "l2"
    table.loc[is_missing, MEANS] = np.nan
    table.loc[is_missing, "n"] = 0
    picture = drawn(table, plan.experiments["e"].figure, tmp_path)
    assert "no value of l2: original, retrain, finetune" in note(picture)
    assert "n = 0 seeds: no interval" in note(picture)


def cell(**columns):
    """The columns of one cell."""
    return dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3} | columns


@pytest.mark.parametrize("completed", [0.0, 1.0])
@pytest.mark.parametrize("rate", [0.1, 1])
def test_a_table_of_metrics_without_a_row(completed, rate):
    """Of cells that ran it is empty; of failed ones it says so."""
    rows = [
        cell(rate=rate) | {"seed": 0, "metric": "completed", "split": "forget", "value": completed}
    ]
    table = tables.summarise(pd.DataFrame(rows), ["kl"], ["test"], {})
    assert len(table) == (completed == 0) and (table["failed"] == 1).all()
    assert tables.parse(table.to_csv(index=False))["n"].sum() == 0


def test_cells_that_failed_beside_rates_that_look_whole():
    """One file of scores has a rate of 1, another of 0.5."""
    heads = ",".join([*CELL_COLUMNS, "seed", "metric", "split", "value"])
    texts = []
    for rate, metric, value in (("1", "completed", "0"), ("0.5", "kl", "0.3")):
        columns = cell(rate=rate, variant=f"v{rate}", request=f"r{rate}")
        values = [str(columns[name]) for name in CELL_COLUMNS]
        split = "forget" if metric == "completed" else "test"
        texts.append(f"{heads}\n{','.join([*values, '0', metric, split, value])}\n")
    table = tables.summarise(tables.parse_all(texts), ["kl"], ["test"], {})
    assert table.set_index("variant")["failed"].to_dict() == {"v1": 1, "v0.5": 0}
    assert table.set_index("variant")["n"].to_dict() == {"v1": 0, "v0.5": 1}


@pytest.mark.parametrize("x", ["rate", "variant"])
def test_one_seed_is_drawn_without_an_interval(x, tmp_path):
    plan = experiment({"x": x, "y": "accuracy", "split": ["test"]}, **ONE_REQUEST)
    table = made_up(plan)
    table[["ci_low", "ci_high"]] = np.nan
    table["n"] = 1
    picture = drawn(table, plan.experiments["e"].figure, tmp_path)
    (axis,) = picture.axes
    assert not axis.patches
    segments = [s for lines in axis.collections for s in getattr(lines, "get_segments", list)()]
    assert not [segment for segment in segments if len(segment) and np.isfinite(segment).all()]
    assert "n = 1 seed: no interval" in note(picture)


def test_an_interval_between_points_without_one_is_a_bar(tmp_path):
    plan = experiment(
        {"x": "rate", "y": "kl", "split": ["test"], "methods": ["finetune"]},
        request={"name": "random", "rate": [0.1, 0.2, 0.3]},
    )
    table = made_up(plan)
    table.loc[table["rate"] != 0.2, ["ci_low", "ci_high"]] = np.nan
    (axis,) = drawn(table, plan.experiments["e"].figure, tmp_path).axes
    bars = [s for lines in axis.collections for s in getattr(lines, "get_segments", list)()]
    row = table.query("variant == 'finetune' and rate == 0.2").iloc[0]
    assert [list(bar[:, 1]) for bar in bars] == [[row["ci_low"], row["ci_high"]]]


VALUES = {
    "oracle at 0": ("kl", [0.3, 0.0, 0.002]),
    "both signs": ("accuracy_gap", [-0.2, 0.0, 0.01]),
    "negative": ("accuracy_gap", [-0.2, -0.001, -0.05]),
    "all 0": ("kl", [0.0, 0.0, 0.0]),
    "far apart": ("kl", [3.0, 0.0, 2e-10]),
}


@pytest.mark.parametrize("x", ["rate", "variant"])
@pytest.mark.parametrize("case", VALUES)
def test_every_value_has_a_place_on_a_logarithmic_axis(case, x, tmp_path):
    metric, means = VALUES[case]
    figure = {"x": x, "y": metric, "split": ["test"], "yscale": "log"}
    plan = experiment(figure, **ONE_REQUEST)
    table = made_up(plan)
    table["mean"] = means
    table["ci_low"] = table["mean"] - 0.001
    table["ci_high"] = table["mean"] + 0.001
    picture = drawn(table, plan.experiments["e"].figure, tmp_path)
    (axis,) = picture.axes
    scale = 100 if metric == "accuracy_gap" else 1
    low, high = axis.get_xlim() if x == "variant" else axis.get_ylim()
    ends = axis.transData.transform([(low, low), (high, high)])[:, int(x == "rate")]
    pixels = axis.transData.transform([(scale * m, scale * m) for m in means])[:, int(x == "rate")]
    assert np.isfinite(pixels).all()
    assert (pixels >= ends[0]).all() and (pixels <= ends[1]).all()
    lowest, highest = ((p - ends[0]) / (ends[1] - ends[0]) for p in (min(pixels), max(pixels)))
    if case != "all 0":  # the axis is about its values, and markers are whole
        assert 0.02 < lowest < 0.4 and 0.6 < highest < 0.98
    different = sorted({round(pixel, 3) for pixel in pixels})
    assert len(different) == len(set(means))
    if case != "all 0":
        assert "linear between 0 and the power of ten next to it" in note(picture)


def test_a_share_of_0_has_a_place_on_a_logarithmic_x_axis(tmp_path):
    spec = {"x": "dataset.noised", "y": "accuracy", "split": ["test"], "xscale": "log"}
    noise = {"name": "random_noise", "epsilon": 0.1}
    shares = [0, 0.01, 0.5]
    plan = experiment(
        spec,
        dataset={"name": "digits", "noise": noise, "noised": shares},
        request="noised",
        method="original",
    )
    table = made_up(plan)
    (axis,) = drawn(table, plan.experiments["e"].figure, tmp_path).axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "0.01", "0.5"]
    positions = axis.transData.transform([(share, 0) for share in shares])[:, 0]
    left, right = axis.get_window_extent().intervalx
    assert left < positions[0] < positions[1] < positions[2] < right


def test_names_that_fill_metres_of_a_figure_can_be_saved(tmp_path):
    """An image of more than 65,535 pixels cannot: this one has fewer dots per inch."""
    parameters = [(lr, epochs) for lr in range(1, 41) for epochs in range(1, 13)]
    plan = experiment({"x": "variant", "y": "kl", "split": ["test"]}, **ONE_REQUEST)
    table = made_up(plan)
    template = table[table["variant"] == "finetune"]
    beta = "beta_of_the_second_moment=0.9"
    names = [f"finetune-a_long_name={lr}-{beta}{lr}-epochs_of_it={e}{lr}" for lr, e in parameters]
    table = pd.concat([template.assign(variant=name) for name in names])
    picture = drawn(table, plan.experiments["e"].figure, tmp_path)
    assert 200 * picture.get_figheight() > 2**16
    with Image.open(tmp_path / "figure.png") as image:
        assert 20_000 < image.height < 2**15


def test_a_legend_counts_what_it_has_no_room_for(tmp_path):
    plan = experiment({"x": "rate", "y": "kl", "split": ["test"]}, **ONE_REQUEST)
    table = made_up(plan)
    template = table[table["variant"] == "finetune"]
    table = pd.concat([template.assign(variant=f"finetune-lr={n}") for n in range(200)])
    (legend,) = drawn(table, plan.experiments["e"].figure, tmp_path).legends
    assert [text.get_text() for text in legend.get_texts()][-1] == "and 152 more"


def test_a_figure_of_two_precisions_says_which_model_has_which(tmp_path):
    plan = experiment({"x": "rate", "y": "accuracy", "split": ["test"]}, model=["mlp", "cnn1"])
    table = made_up(plan)
    block = plan.experiments["e"].figure
    assert "in float32" not in note(drawn(table, block, tmp_path))
    table.loc[table["model"] == "cnn1", "precision"] = "bfloat16"
    assert "in bfloat16: cnn1 in float32: mlp" in note(drawn(table, block, tmp_path))
