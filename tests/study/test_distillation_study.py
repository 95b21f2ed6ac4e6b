"""Influence distillation in a study: references, tables, what is refused."""

import pandas as pd
import pytest
import yaml

from tests.support.project import RESULTS, TINY
from unlearn.core import registry
from unlearn.study.load import StudyError, load_study


def config(method=None, figure=None, **change):
    study = yaml.safe_load(yaml.safe_dump(TINY))
    distilled = {"name": "influence_distillation", "epochs": 2, "curvature_points": 20}
    study["experiments"]["accuracy"] |= {
        "model": {"name": "mlp", "hidden": 16},
        "method": distilled | (method or {}),
        "request": {"name": "random", "rate": [0.1, 0.2], "steps": 2},
        "figure": figure or {"x": "rate", "y": ["accuracy/test", "loss_gap_scratch/forget"]},
    } | change
    return study


def test_the_controls_of_the_standard_trainer_serve():
    plan = load_study(config(figure={"x": "rate", "y": "accuracy"}))
    assert set(plan.variants) == {
        "retrain", "original", "influence_distillation-curvature_points=20-epochs=2",
    }  # fmt: skip
    assert {v.oracle for v in plan.variants.values()} == {"retrain"}
    assert plan.references == {}


def test_metrics_bring_the_references_that_they_need():
    name = "influence_distillation-curvature_points=20-epochs=2"
    plan = load_study(config())
    assert plan.references == {
        name: {"scratch": "influence_distillation-alpha=0-epochs=2-weights=none"}
    }
    two_variants = config(method={"weights": ["fisher", "uniform"], "temperature": [1, 4]})
    two_variants["experiments"]["accuracy"]["figure"]["y"] = ["kl_scratch/test", "kl_taught/test"]
    two_variants["experiments"]["accuracy"]["figure"]["colour"] = "variant"
    plan = load_study(two_variants)
    scratch = {r["scratch"] for r in plan.references.values()}
    taught = {r["taught"] for r in plan.references.values()}
    assert len(plan.references) == 4 and len(scratch) == 1 and len(taught) == 2
    config_of_names = config()
    config_of_names["methods"] = {
        "alone": {"name": "influence_distillation", "epochs": 2, "alpha": 0, "weights": "none"}
    }
    config_of_names["experiments"]["accuracy"]["method"] = [
        config_of_names["experiments"]["accuracy"]["method"], "alone",
    ]  # fmt: skip
    assert load_study(config_of_names).references == {name: {"scratch": "alone"}}
    config_of_names["methods"]["alone"]["start"] = "teacher"  # which saw the deleted points
    assert "alone" not in load_study(config_of_names).references[name].values()


def test_a_study_compares_students_with_their_references(project):
    request = {"name": "random", "rate": 0.2, "steps": 2}
    plan = config(method={"student": "cnn1"}, request=request)
    plan["experiments"]["accuracy"]["figure"]["y"] = [
        "accuracy/test", "loss_gap_scratch/forget", "kl_taught/forget", "attack_auc", "l2/weights",
    ]  # fmt: skip
    project.write_study(plan)
    project.run("tables/accuracy.csv", "scores.csv")
    table = pd.read_csv(project.results("tables/accuracy.csv"))
    variant = "influence_distillation-curvature_points=20-epochs=2-student=cnn1"
    rows = table[(table["variant"] == variant) & (table["step"] == 2)].set_index("metric")
    assert (rows.loc[["kl_taught"], "mean"] > 0).all()
    assert (rows.loc[["loss_gap_scratch"], "n"] == 2).all()
    assert (rows.loc[["attack_auc"], "mean"].between(0, 1)).all()
    assert (rows.loc[["l2"], "n"] == 0).all()  # of other architectures there is no distance
    scores = pd.read_csv(project.results("scores.csv"))
    values = scores[scores["split"] == "forget"].pivot_table(
        index=["request", "step", "seed"], columns=["variant", "metric"], values="value"
    )
    scratch = "influence_distillation-alpha=0-epochs=2-student=cnn1-weights=none"
    gap = values[variant]["loss"] - values[scratch]["loss"]
    assert values[variant]["loss_gap_scratch"].to_numpy() == pytest.approx(gap.to_numpy(), abs=1e-9)
    gap = values[variant]["accuracy"] - values["retrain"]["accuracy"]
    assert values[variant]["accuracy_gap"].to_numpy() == pytest.approx(gap.to_numpy(), abs=1e-9)
    speedups = scores[scores["metric"] == "speedup"].set_index("variant")["value"]
    assert speedups[variant].isna().all()  # of another size than the oracle
    assert (speedups["retrain"] == 1).all()
    assert project.planned(f"{RESULTS}/tables/accuracy.csv") == []


def test_a_student_without_a_size_takes_that_of_its_architecture():
    plan = load_study(config({"student": "mlp"}))
    students = [v.component for v in plan.variants.values() if v.kind == "influence_distillation"]
    assert students and {s.student_architecture() for s in students} == {
        registry.find("models", "mlp")()
    }


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"student": "cnn3"}, "student.*cnn3"),
        ({"student": "logistic", "size": 3}, "size: 3 is not allowed; Logistic has none"),
        ({"size": 3}, "size: 3 needs a student; allowed: null"),
        ({"student": "cnn1", "start": "teacher"}, "cnn1 cannot start as a copy of the teacher"),
        ({"batch_size": 201}, "batch_size: 201 is more than the 200 points"),
        ({"batch_size": 1}, "batch_size: 1 is not allowed; allowed: between 2"),
        ({"temperature": 0}, "temperature.*0"),
        ({"alpha": 1.1}, "alpha.*1.1"),
        ({"alpha": -0.1}, "alpha.*-0.1"),
        ({"beta": -1}, "beta.*-1"),
        ({"cap": 0.5}, "cap.*0.5"),
        ({"damping": 0}, "damping.*0"),
        ({"weights": "hessien"}, "weights.*hessien"),
        ({"clip": 0}, "clip.*0"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_runs(method, message):
    with pytest.raises(StudyError, match=message):
        load_study(config(method))
