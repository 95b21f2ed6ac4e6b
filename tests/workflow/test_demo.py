"""The demo study: its comparison, all of it, and what else there is to see on digits."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.support.project import new_project
from tests.support.results import stable

CELL = ["dataset", "model", "variant", "request"]

pytestmark = pytest.mark.xdist_group("demo")


def test_the_comparison_of_the_demo(project):
    """Most methods, on digits; three figures of the same cells, and a summary."""
    shutil.copy(project.root / "configs/demo.yaml", project.root / "study.yaml")
    results = project.root / "results" / "demo"
    figures = [f"figures/{name}.svg" for name in ("comparison", "headline", "metric_agreement")]
    files = [f"results/demo/{name}" for name in (*figures, "summaries/comparison.csv")]
    project.snakemake("--cores", "2", *files)
    summary = pd.read_csv(results / "summaries/comparison.csv").set_index("variant")
    assert len(summary) == 15 and not summary[["failed", "diverged"]].any(axis=None)
    assert all((results / name).stat().st_size > 10_000 for name in figures)
    cells = {
        tuple(cell) for cell in pd.read_csv(results / "tables/comparison.csv")[CELL].to_numpy()
    }
    for name in ("headline", "metric_agreement"):
        table = pd.read_csv(results / f"tables/{name}.csv")
        assert {tuple(cell) for cell in table[CELL].to_numpy()} == cells
    nearest = summary["kl/forget/mean"].drop(["retrain", "retrain@sisa", "sisa"]).min()
    assert (summary.loc[["retrain", "retrain@sisa", "sisa"], "kl/forget/mean"] == 0).all()
    assert nearest > 0


@pytest.mark.slow
def test_the_demo_runs_to_its_end_and_not_twice(project):
    shutil.copy(project.root / "configs/demo.yaml", project.root / "study.yaml")
    project.snakemake("--cores", "2")
    assert "Nothing to be done" in project.snakemake("-n").stdout
    results = project.root / "results" / "demo"
    assert len(stable(results / "scores.csv")) > 1000
    assert len(list(results.glob("figures/*.svg"))) == 18  # three of them of trials
    assert (results / "report.html").stat().st_size > 1_000_000


@pytest.mark.slow
def test_every_experiment_on_digits(tmp_path):
    """What config.yaml does to MNIST and CIFAR-10, to its end and to its report."""
    project = new_project(tmp_path / "project")
    files = ("configs/demo.yaml", "configs/digits.yaml")
    call = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", *files]
    subprocess.run(call, cwd=project.root, check=True)
    results = project.root / "results" / "digits"
    assert len(list(results.glob("figures/*.svg"))) == 30 and (results / "complete.json").exists()
