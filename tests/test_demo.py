"""The demo study, as `make run` runs it with two cores; parts of it again from scratch with one."""

import subprocess
import sys

import pytest
from conftest import new_project
from test_faults import stable

pytestmark = pytest.mark.xdist_group("demo")


def test_the_demo_is_reproducible_to_the_last_byte(tmp_path):
    """All scores but timing and memory, all tables and figures of other metrics."""
    one, two = (demo(tmp_path / cores) for cores in ("1", "2"))
    again = ("sisa_shards", "sisa_speedup")
    figures = [f"results/demo/figures/{name}.{kind}" for name in again for kind in ("svg", "png")]
    one.snakemake(*figures, "--cores", "1")
    two.snakemake("--cores", "2")
    assert "Nothing to be done" in two.snakemake("-n").stdout
    one, two = (project.root / "results" / "demo" for project in (one, two))
    assert len(stable(two / "scores.csv")) > 1000
    for path in one.glob("scores/**/scores.csv"):
        assert stable(path) == stable(two / path.relative_to(one))
    for name in (f"{name}.csv" for name in again):
        tables = [
            [
                line
                for line in (r / "tables" / name).read_text().splitlines()
                if "_seconds," not in line
            ]
            for r in (one, two)
        ]
        assert len(tables[0]) > 1 and tables[0] == tables[1]
        if "_seconds," not in (one / "tables" / name).read_text():
            for kind in ("svg", "png"):
                file = f"figures/{name.removesuffix('.csv')}.{kind}"
                assert (one / file).read_bytes() == (two / file).read_bytes()
    assert (two / "report.html").stat().st_size > 1_000_000


@pytest.mark.slow
def test_every_experiment_on_digits(tmp_path):
    """What config.yaml does to MNIST and CIFAR-10, to its end and to its report."""
    project = new_project(tmp_path / "project")
    files = ("configs/demo.yaml", "configs/digits.yaml")
    call = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", *files]
    subprocess.run(call, cwd=project.root, check=True)
    results = project.root / "results" / "digits"
    assert len(list(results.glob("figures/*.svg"))) == 23 and (results / "complete.json").exists()


def demo(folder):
    project = new_project(folder)
    (project.root / "study.yaml").write_bytes((project.root / "configs/demo.yaml").read_bytes())
    return project
