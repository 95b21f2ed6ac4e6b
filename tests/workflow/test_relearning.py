"""Relearning through the whole pipeline, on a small study."""

import copy

import numpy as np
import pandas as pd
import pytest

from tests.support.project import SMALL, finished_project

pytestmark = pytest.mark.xdist_group("relearning")

STUDY = copy.deepcopy(SMALL)
STUDY["experiments"]["accuracy"]["request"] = {"name": "by_class", "label": 3}
STUDY["experiments"]["accuracy"]["figure"] = {"x": "variant"}
STUDY["experiments"]["relearning"] = STUDY["experiments"]["accuracy"] | {
    "relearning": {"steps": 6, "lr": 0.05},
    "figure": {"x": "relearning_step", "y": "relearned_accuracy", "facet": "split"},
    "summary": ["relearning_steps/forget", "relearning_ratio/forget", "accuracy/test"],
}

VARIANTS = ("finetune", "original", "retrain")
END = ["complete", "report"]
TABLE = ["figure relearning", "summary relearning", "table relearning"]
FOLDER = "relearned/relearning-lr=0.05-steps=6/digits/cnn1"
CELL = "by_class-label=3 seeds0-1"


@pytest.fixture
def relearned(tmp_path_factory, tmp_path):
    """A private copy of the finished study."""
    return finished_project(tmp_path_factory, "finished_relearning", STUDY).copy(tmp_path / "copy")


def jobs(variants=VARIANTS):
    """The relearning of these variants."""
    return [f"relearn {variant} {CELL}" for variant in variants]


def test_the_table_has_the_curves_of_method_and_anchors(relearned):
    table = pd.read_csv(relearned.results("tables/relearning.csv"))
    curve = table.query("metric == 'relearned_accuracy' and split == 'forget'")
    assert set(curve["variant"]) == set(VARIANTS)
    for _, rows in curve.groupby("variant"):
        assert list(rows["relearning_step"]) == [0, 1, 2, 4, 6] and (rows["n"] == 2).all()
    summary = pd.read_csv(relearned.results("summaries/relearning.csv")).set_index("variant")
    assert summary.loc["original", "relearning_steps/forget/mean"] == 0
    assert len(summary) == 3
    for variant, row in summary.iterrows():
        ratio = row["relearning_ratio/forget/mean"]
        assert np.isnan(ratio) or ratio == {"original": 0, "retrain": 1}.get(variant, ratio)
    for kind in ("svg", "png"):
        assert relearned.results(f"figures/relearning.{kind}").stat().st_size > 10_000
    plain = pd.read_csv(relearned.results("tables/accuracy.csv"))
    assert "relearning_step" not in plain
    scores = pd.read_csv(relearned.results("scores.csv"))
    assert not scores["metric"].str.startswith("relearn").any()


def test_the_first_point_of_a_curve_is_the_accuracy_of_the_score_on_test_points(relearned):
    table = pd.read_csv(relearned.results("tables/relearning.csv"))
    rows = table[table["split"] == "test"].set_index(["variant", "metric"])
    for variant in VARIANTS:
        start = rows.loc[(variant, "relearned_accuracy")].query("relearning_step == 0")["mean"]
        assert start.item() == pytest.approx(rows.loc[(variant, "accuracy"), "mean"].item())


def test_only_what_a_change_touches_runs_again(relearned):
    assert relearned.planned() == []
    study = copy.deepcopy(STUDY)
    study["experiments"]["relearning"]["relearning"] = {"steps": 7, "lr": 0.05}
    relearned.write_study(study)
    assert relearned.planned() == sorted([*jobs(), *TABLE, *END])
    relearned.write_study(STUDY)
    assert relearned.planned() == []
    relearned.edit("unlearn/metrics/divergence.py", "ROUNDING = 1e-9", "ROUNDING = 1e-8")
    assert not any(job.startswith(("relearn", "unlearn")) for job in relearned.planned())


def test_a_lost_curve_is_made_again(relearned):
    path = relearned.results(f"{FOLDER}/finetune/by_class-label=3/seeds0-1/relearned.csv")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert jobs(["finetune"])[0] in relearned.planned()
    relearned.run()
    assert path.read_bytes() == content
    assert relearned.planned() == []


def test_a_failed_method_is_shown_and_tried_again(relearned):
    head = "        model = task.model(original)\n        recipe"
    broken = '        raise RuntimeError("this method is broken")\n'
    relearned.edit("unlearn/methods/finetune.py", head, broken + head)
    process = relearned.run(check=False)
    assert "1 of 4 fleets failed" in process.stdout + process.stderr
    table = pd.read_csv(relearned.results("tables/relearning.csv"))
    curve = table.query("variant == 'finetune' and metric == 'relearned_accuracy'")
    assert len(curve) == 10 and (curve["failed"] == 2).all() and curve["mean"].isna().all()
    relearned.edit("unlearn/methods/finetune.py", broken + head, head)
    assert {f"unlearn finetune {CELL}", *jobs(["finetune"])} <= set(relearned.planned())
    relearned.run()
    table = pd.read_csv(relearned.results("tables/relearning.csv"))
    assert (table["failed"] == 0).all()
