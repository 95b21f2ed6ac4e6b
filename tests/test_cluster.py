"""The same study on schedulers: a real SLURM of one node, and a stand-in for any other."""

import os

import one_node
import pytest
from conftest import TINY
from test_faults import same_results

pytestmark = pytest.mark.xdist_group("cluster")


def test_slurm_gives_the_same_bytes(project, finished_once, slurm):
    project.write_study(TINY)
    profile = project.profile("slurm", **one_node.SITE)
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
    profile = project.profile(
        "generic",
        **{"cluster-generic-submit-cmd": "./submit", "jobs": os.cpu_count()},
        **{"seconds-between-status-checks": 1},
    )
    project.snakemake("--workflow-profile", profile)
    same_results(project, finished_once)
    assert project.planned() == []
