"""The same study on schedulers: a real SLURM of one node, and a stand-in for any other."""

import os
import shutil
import tempfile
from pathlib import Path

import one_node
import pytest
import yaml
from conftest import ROOT, TINY
from test_faults import stable

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture
def slurm():
    missing = one_node.missing()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: slurm-wlm munge)")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    with one_node.Slurm(folder) as running:
        yield running
    shutil.rmtree(folder)


def site(project, kind, **change):
    """A copy of a profile with its site lines changed, as the documentation tells to make one."""
    profile = yaml.safe_load((ROOT / f"profiles/{kind}/profile.yaml").read_text())
    folder = project.root / "profiles" / "mine"
    folder.mkdir()
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile | {"latency-wait": 10} | change))
    return "profiles/mine"


def same_results(project, other):
    """Scores, tables and figures but for timing and memory."""
    assert stable(project.results("scores.csv")) == stable(other.results("scores.csv"))
    for name in ("tables/accuracy.csv", "figures/accuracy.svg", "figures/accuracy.png"):
        assert project.results(name).read_bytes() == other.results(name).read_bytes(), name


def test_slurm_gives_the_same_bytes(project, finished_once, slurm):
    project.write_study(TINY)
    quick = {
        "slurm-status-command": "squeue",  # without accounting sacct waits for ever
        "slurm-init-seconds-before-status-checks": 1,
    }
    profile = site(project, "slurm", **quick)
    done = project.snakemake("--workflow-profile", profile, **slurm.environment)
    same_results(project, finished_once)
    assert slurm.submitted() <= 10, done.stdout + done.stderr
    assert slurm.jobs() == []
    again = project.snakemake("-n", "--workflow-profile", profile, **slurm.environment)
    assert "Nothing to be done" in again.stdout + again.stderr
    assert project.planned() == []  # neither has a local call anything to do


def test_any_scheduler_gives_the_same_bytes(project, finished_once):
    """One that starts a job at once, in the background."""
    project.write_study(TINY)
    submit = project.root / "submit"
    submit.write_text('#!/bin/sh\nnohup sh "$1" > /dev/null 2>&1 &\necho $!\n')
    submit.chmod(0o755)
    profile = site(
        project,
        "generic",
        **{"cluster-generic-submit-cmd": "./submit", "jobs": os.cpu_count()},
        **{"seconds-between-status-checks": 1},
    )
    project.snakemake("--workflow-profile", profile)
    same_results(project, finished_once)
    assert project.planned() == []
