"""Fleets of different arithmetic are told apart, and never mixed without a word."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.support.commands import paste, planned_command

pytestmark = pytest.mark.xdist_group("arithmetic")

OLDER = {"ATEN_CPU_CAPABILITY": "default"}


def capability(**environment):
    call = [sys.executable, "-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def trained_elsewhere(small):
    """A study whose models were trained with narrower instructions than this CPU has."""
    if capability() == capability(**OLDER):
        pytest.skip("this CPU has one kind of arithmetic only")
    small.snakemake("--cores", "1", "--until", "train", "request", **OLDER)
    return small


def test_a_method_refuses_a_fleet_of_another_arithmetic(trained_elsewhere):
    costs = next(trained_elsewhere.results("trained").rglob("costs.json"))
    arithmetic = json.loads(costs.read_text())["machine"]["arithmetic"]
    assert "DEFAULT" in arithmetic
    process = trained_elsewhere.run("scores.csv", check=False)
    output = process.stdout + process.stderr
    assert process.returncode != 0
    assert f"trained.safetensors: trained in other arithmetic ({arithmetic}) than" in output
    assert "Traceback" not in output
    assert not list(trained_elsewhere.results().glob("unlearned/**/costs.json"))


def test_scores_refuse_fleets_of_another_arithmetic(finished_small):
    if capability() == capability(**OLDER):
        pytest.skip("this CPU has one kind of arithmetic only")
    command = planned_command(finished_small, "score", "/finetune/")
    for folder in ("trained", "unlearned"):
        for path in finished_small.results(folder).rglob("record.json"):
            path.unlink()
    finished_small.run(
        "unlearned/digits/cnn1/retrain/random-rate=0.1/seeds0-1/record.json", **OLDER
    )
    process = paste(finished_small, command)
    assert process.returncode != 0
    assert "results of different arithmetic cannot be compared" in process.stdout


def test_scores_and_tables_say_the_precision(finished_small):
    for name in ("scores.csv", "tables/accuracy.csv"):
        precisions = set(pd.read_csv(finished_small.results(name))["precision"])
        assert len(precisions) == 1 and precisions <= {"float32", "bfloat16"}
