"""The demo study, as `make run` runs it with two cores, and what else there is to see on digits."""

import shutil
import subprocess
import sys

import pytest
from conftest import new_project
from test_faults import stable

pytestmark = pytest.mark.xdist_group("demo")


def test_the_demo_runs_to_its_end_and_not_twice(tmp_path):
    """That its bytes do not depend on where it runs, test_cluster.py tests when asked for."""
    project = new_project(tmp_path / "project")
    shutil.copy(project.root / "configs/demo.yaml", project.root / "study.yaml")
    project.snakemake("--cores", "2")
    assert "Nothing to be done" in project.snakemake("-n").stdout
    results = project.root / "results" / "demo"
    assert len(stable(results / "scores.csv")) > 1000
    assert len(list(results.glob("figures/*.svg"))) == 11
    assert (results / "report.html").stat().st_size > 1_000_000


@pytest.mark.slow
def test_every_experiment_on_digits(tmp_path):
    """What config.yaml does to MNIST and CIFAR-10, to its end and to its report."""
    project = new_project(tmp_path / "project")
    files = ("configs/demo.yaml", "configs/digits.yaml")
    call = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", *files]
    subprocess.run(call, cwd=project.root, check=True)
    results = project.root / "results" / "digits"
    assert len(list(results.glob("figures/*.svg"))) == 23 and (results / "complete.json").exists()
