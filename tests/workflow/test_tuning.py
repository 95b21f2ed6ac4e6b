"""Tuned methods in the workflow: the frozen choice, its cost, and what reruns."""

import copy
import json

import numpy as np
import pandas as pd
import pytest

from scripts import pages
from tests.support.commands import shell_commands
from tests.support.project import SMALL
from unlearn.storage.files import read_costs

REQUEST = "random-rate=0.1"
PILOT = "random-rate=0.1-seed=5000000"
FLEET = "seeds0-1"


def config(trials=3, methods=({"name": "finetune", "epochs": 3, "tuned": True},)):
    study = copy.deepcopy(SMALL)
    study["tuning"] = {"trials": trials, "members": 2}
    is_tuned = any(method.get("tuned") for method in methods)
    costs = ["tuning_gradient_evaluations/learn"] if is_tuned else []
    study["experiments"]["accuracy"] |= {
        "model": "mlp",
        "method": list(methods),
        "figure": {"x": "variant", "y": ["accuracy/forget", *costs]},
    }
    return study


def folder(project, variant, request=REQUEST, fleet=FLEET, stage="unlearned"):
    return project.results(f"{stage}/digits/mlp/{variant}/{request}/{fleet}")


def choice(project, variant):
    return project.results(f"tuning/digits/mlp/{variant}/{PILOT}")


def planned_jobs(project):
    done = project.snakemake("-n", "--cores", "1")
    lines = (done.stdout + done.stderr).splitlines()
    rules = [line.split()[1].rstrip(":") for line in lines if line.startswith("rule ")]
    return {rule: rules.count(rule) for rule in rules}


@pytest.mark.xdist_group("tuning")
def test_a_tuned_cell_is_the_method_with_the_parameters_that_were_chosen(project):
    variant = "finetune-epochs=3-tuned=true"
    project.write_study(config())
    project.run()
    chosen = json.loads((choice(project, variant) / "choice.json").read_text())
    table = pd.read_csv(choice(project, variant) / "trials.csv")
    assert len(table) == chosen["trials"] == 3
    assert table["is_chosen"].sum() == 1
    assert table.loc[table["is_chosen"] == 1, "trial"].item() == chosen["trial"]
    assert chosen["objective"] == pytest.approx(table["objective"].min())

    costs = read_costs(choice(project, variant) / "costs.json")
    retained = 200 - 20
    assert costs["gradient_evaluations"] == 3 * 2 * 3 * retained
    scores = pd.read_csv(project.results("scores.csv"))
    rows = scores[scores["metric"] == "tuning_gradient_evaluations"]
    assert set(rows["variant"]) == {variant}
    assert set(rows["value"]) == {3 * 2 * 3 * retained} and set(rows["split"]) == {"learn"}

    trials = pd.read_csv(project.results("tables/accuracy.trials.csv"))
    assert trials.equals(table)
    for ending in ("svg", "png"):
        assert project.results(f"figures/accuracy.trials.{ending}").stat().st_size > 1000
    assert project.planned() == []

    published = project.root / "published"
    pages.copy(project.results(), published)
    assert {"accuracy.trials.csv", "accuracy.trials.png"} <= {p.name for p in published.iterdir()}

    # the same parameters, given by the study
    project.write_study(config(methods=[{"name": "finetune", "epochs": 3, **chosen["parameters"]}]))
    project.run()
    (explicit,) = (
        path
        for path in folder(project, "", "", "").glob("finetune-epochs=3*")
        if path.name != variant
    )
    paths = [folder(project, name) / "logits.npy" for name in (variant, explicit.name)]
    assert np.array_equal(*map(np.load, paths))

    # more trials compute the new ones alone, and a new choice serves the reported cells again
    project.write_study(config(trials=5))
    jobs = planned_jobs(project)
    assert jobs["choice"] == 1 and "train" not in jobs
    assert jobs["unlearn"] == 2 + 1

    # a lost choice is made again
    project.write_study(config())
    (choice(project, variant) / "choice.json").unlink()
    assert planned_jobs(project)["choice"] == 1


def test_no_argument_grows_with_the_number_of_trials(project):
    project.write_study(config(trials=200))
    process = project.snakemake("-n", "--cores", "1", "--printshellcmds")
    commands = shell_commands(process.stdout + process.stderr)
    (command,) = [command for command in commands if " choice --" in command]
    arguments, _, standard_input = command.partition("\n")
    assert "trial-" not in arguments and " --job - " in arguments
    assert standard_input.count("trial-finetune") == 200


def test_an_experiment_whose_tuned_methods_serve_no_request_has_no_trials(project):
    study = config()
    study["experiments"]["accuracy"] |= {
        "dataset": {"name": "digits", "noise": "random_noise", "noised": 1},
        "request": "noised",
        "figure": {"x": "variant", "y": ["accuracy/test"]},
    }
    project.write_study(study)
    assert {"choice", "trials", "sensitivity"}.isdisjoint(planned_jobs(project))


@pytest.mark.xdist_group("tuning")
def test_a_method_whose_trials_all_fail_is_shown_as_failed_with_the_reason(project):
    method = {"name": "gradient_ascent", "epochs": 1, "tuned": True}
    project.write_study(config(methods=[method]))
    project.edit(
        "unlearn/methods/gradient_ascent.py",
        "        model = task.model(original).eval()",
        '        raise ValueError("no trial works")\n        model = task.model(original).eval()',
    )
    done = project.snakemake("--cores", "1", check=False)
    assert done.returncode != 0
    assert "tuning: no trial could be used; see its trials.csv" in done.stdout + done.stderr
    variant = "gradient_ascent-epochs=1-tuned=true"
    table = pd.read_csv(choice(project, variant) / "trials.csv")
    assert set(table["problem"]) == {"ValueError: no trial works"}
    assert table["objective"].isna().all() and table["is_chosen"].sum() == 0
    assert project.results("figures/accuracy.trials.svg").exists()
    assert project.results("report.html").exists()
