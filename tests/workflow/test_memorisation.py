"""Requests by memorisation in the workflow: which models are trained, and when again."""

import copy
import json

import numpy as np
import pytest

from tests.support.project import TINY
from unlearn.storage.files import read_costs
from unlearn.study.load import StudyError, load_study


def config(request=None, **experiment):
    """The tiny study with a request for the points that are memorised most."""
    study = copy.deepcopy(TINY)
    study["experiments"]["accuracy"] |= {
        "model": "mlp",
        "method": "finetune",
        "request": {"name": "memorised", "count": 10, "model": "mlp"} | (request or {}),
        "figure": {"x": "variant", "y": ["accuracy/forget", "scoring_models/learn"]},
    } | experiment
    return study


def planned_jobs(project):
    """How often every rule is planned."""
    done = project.snakemake("-n", "--cores", "1")
    lines = (done.stdout + done.stderr).splitlines()
    rules = [line.split()[1].rstrip(":") for line in lines if line.startswith("rule ")]
    return {rule: rules.count(rule) for rule in rules}


def test_scoring_models_are_trained_once_and_more_of_them_train_the_new_ones_alone(project):
    import pandas as pd

    project.write_study(config())
    jobs = planned_jobs(project)
    assert jobs["scorers"] == 4 and jobs["memorisation"] == 1
    project.run()
    folder = project.results("memorisation/digits/mlp")
    costs = read_costs(folder / "40/costs.json")
    assert costs["models"] == 40 and costs["gradient_evaluations"] == 40 * 2 * 140
    assert costs["wall_seconds"] > 0
    log = project.results("logs/memorisation/digits/mlp/40.log").read_text()
    assert "scores of 40 models: 11,200 gradient evaluations" in log
    scores = pd.read_csv(project.results("scores.csv"))
    rows = scores[scores["metric"] == "scoring_gradient_evaluations"]
    assert set(rows["value"]) == {11200} and set(rows["split"]) == {"learn"}
    memorisation = np.load(folder / "40/memorisation.npz")
    request = np.load(next(project.results("requests").glob("*/*/request.npz")))
    chosen = np.isin(memorisation["ids"], request["delete_0"])
    assert chosen.sum() == 10
    assert memorisation["memorisation"][chosen].min() >= memorisation["memorisation"][~chosen].max()
    assert not list(folder.rglob("*.safetensors"))
    assert project.planned() == []

    project.write_study(config({"models": 50}))
    jobs = planned_jobs(project)
    assert jobs["scorers"] == 1 and jobs["memorisation"] == 1 and "train" not in jobs

    project.write_study(config({"level": "low"}))
    assert not {"scorers", "memorisation"} & set(planned_jobs(project))

    project.write_study(config())
    (folder / "fleets/2/predictions.npz").unlink()
    assert planned_jobs(project)["scorers"] == 1
    record = json.loads((folder / "fleets/0/record.json").read_text())
    seeds = [m["seed"] for m in record["parameters"]["job"]["members"]]
    assert seeds == list(range(4_000_000, 4_000_010))


def test_a_scored_request_reruns_with_the_code_of_its_models(project):
    project.write_study(config({"models": 10, "proxy": "loss"}))
    project.run("requests/digits/memorised-count=10-model=mlp-models=10-proxy=loss/request.npz")
    project.edit("unlearn/models/mlp.py", "nn.ReLU()", "nn.Tanh()")
    assert {"scorers", "memorisation", "scored_request"} <= set(planned_jobs(project))


def test_other_requests_have_no_scoring_models():
    assert load_study(TINY).scorings == {}


def test_a_scoring_takes_the_names_of_the_study():
    plan = load_study(config({"model": "cnn1", "recipe": "quick"}))
    (scoring,) = plan.scorings.values()
    assert scoring.name == "cnn1-recipe=quick"
    assert scoring.model.parameters["width"] == 4  # as the study has it
    assert scoring.model.recipe.component.epochs == 2
    members = [member for fleet in scoring.fleets for member in scoring.members(fleet)]
    assert len({member.seed for member in members}) == len({m.subset for m in members}) == 40


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (config({"model": "vgg"}), r"accuracy\.request\.model: .*vgg"),
        (config({"recipe": "slow"}), r"accuracy\.request\.model.*slow"),
        (config({"models": 25}), "models: 25 is not allowed; allowed: a multiple of 10"),
        (config({"model": "mlp", "count": 200}), "200 points leave nothing"),
        (
            config(seeds=[0, 4_000_007], fleet=1),
            r"seeds: 4000007 is the seed of a scoring model of memorised.*; allowed: below 4000000",
        ),
        (
            config(
                {"model": "cnn1"},
                dataset={"name": "digits", "features": "random_conv", "held_out": 0.5},
            ),
            r"request\.model: .* model cnn1: features are for logistic and mlp",
        ),
    ],
    ids=range(6),
)
def test_scorings_that_cannot_be_are_refused_before_anything_runs(study, message):
    with pytest.raises(StudyError, match=message):
        load_study(study)


def test_costs_of_scoring_need_a_request_that_is_scored():
    study = config()
    study["experiments"]["accuracy"]["request"] = {"name": "random", "count": 3}
    with pytest.raises(StudyError, match="metric 'scoring_models'"):
        load_study(study)


def test_a_checkpoint_cannot_score(tmp_path):
    study = config({"model": "bought"})
    study["models"]["bought"] = {"name": "mlp", "checkpoint": str(tmp_path / "{seed}.pt")}
    with pytest.raises(StudyError, match="scoring models are trained, it has a checkpoint"):
        load_study(study)
