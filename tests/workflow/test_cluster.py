"""The same study on schedulers: a real SLURM of one node, and a stand-in for any other."""

import json
import os
import shutil
import time

import pytest

from tests.support import slurm as one_node
from tests.support.project import ROOT, new_project
from tests.support.results import same_results, stable

pytestmark = pytest.mark.xdist_group("cluster")

ROUNDS = 15
"""Submissions that are not cells: what is made before and after them, in turn."""


def test_slurm_gives_the_same_bytes(small, small_once, slurm):
    gpu = {"gpu": 1, "slurm_partition": "gpu"}  # for all cells of a group, not for each
    profile = small.profile("slurm", **one_node.SITE, **{"set-resources": {"unlearn": gpu}})
    process = small.snakemake("--workflow-profile", profile, **slurm.environment)
    same_results(small, small_once)
    assert slurm.submitted() <= 10, process.stdout + process.stderr
    assert slurm.jobs() == []
    requests = slurm.call("scontrol", "show", "job", "--oneliner").splitlines()
    cells = [request for request in requests if "Partition=gpu" in request]
    assert len(cells) == 1 and "gres:gpu:1" in cells[0]
    assert not any("gres:gpu" in request for request in requests if request not in cells)
    plan = small.snakemake("-n", "--workflow-profile", profile, **slurm.environment)
    assert "Nothing to be done" in plan.stdout + plan.stderr
    assert small.planned() == []  # neither has a local call anything to do


@pytest.mark.slow
def test_the_demo_through_slurm(tmp_path, slurm):
    """Every score, table and figure but for timing and memory; few submissions."""
    local_project = new_project(tmp_path / "here")
    slurm_project = new_project(tmp_path / "there")
    for project in (local_project, slurm_project):
        shutil.copy(ROOT / "configs/demo.yaml", project.root / "study.yaml")
    profile = slurm_project.profile("slurm", **one_node.SITE)
    begin = time.monotonic()
    slurm_project.snakemake("--workflow-profile", profile, **slurm.environment)
    end = time.monotonic()
    local_project.snakemake("--cores", "2")
    cells = len(list(slurm_project.root.glob("results/demo/unlearned/**/costs.json")))
    seconds = {"seconds": round(end - begin), "seconds at home": round(time.monotonic() - end)}
    print(json.dumps({"cells": cells, "submissions": slurm.submitted()} | seconds))
    assert slurm.submitted() <= cells / 20 + ROUNDS
    local_results = local_project.root / "results/demo"
    slurm_results = slurm_project.root / "results/demo"
    paths = [path.relative_to(local_results) for path in local_results.glob("scores/**/scores.csv")]
    assert len(paths) == cells
    for path in paths:
        assert stable(local_results / path) == stable(slurm_results / path)
    tables = local_results.glob("tables/*.csv")
    untimed_names = [table.name for table in tables if "_seconds," not in table.read_text()]
    assert len(untimed_names) > 5
    for name in untimed_names:
        table = local_results / "tables" / name
        assert table.read_bytes() == (slurm_results / "tables" / name).read_bytes()
    assert "Nothing to be done" in slurm_project.snakemake("-n", "--cores", "1").stdout


def test_any_scheduler_gives_the_same_bytes(small, small_once):
    """One that starts a job at once, in the background."""
    submit = small.root / "submit"
    submit.write_text('#!/bin/sh\nnohup sh "$1" > /dev/null 2>&1 &\necho $!\n')
    submit.chmod(0o755)
    profile = small.profile(
        "generic",
        **{"cluster-generic-submit-cmd": "./submit", "jobs": os.cpu_count()},
        **{"seconds-between-status-checks": 1},
    )
    small.snakemake("--workflow-profile", profile)
    same_results(small, small_once)
    assert small.planned() == []
