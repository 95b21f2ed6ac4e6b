"""The demo study, as `make run` runs it: twice from scratch, with one core and with two."""

import pytest
from conftest import new_project
from test_faults import stable

pytestmark = pytest.mark.xdist_group("demo")


def test_the_demo_is_reproducible_to_the_last_byte(tmp_path):
    """All scores but timing and memory, all tables and figures of other metrics."""
    runs = []
    for cores in ("1", "2"):
        project = new_project(tmp_path / cores)
        (project.root / "study.yaml").write_bytes((project.root / "configs/demo.yaml").read_bytes())
        project.snakemake("--cores", cores)
        runs.append(project.root / "results" / "demo")
        assert "Nothing to be done" in project.snakemake("-n").stdout
    one, two = runs
    assert len(stable(one / "scores.csv")) > 1000
    assert stable(one / "scores.csv") == stable(two / "scores.csv")
    names = sorted(p.name for p in (one / "tables").iterdir())
    assert names == sorted(p.name for p in (two / "tables").iterdir())
    for name in names:
        tables = [
            [
                line
                for line in (r / "tables" / name).read_text().splitlines()
                if "_seconds," not in line
            ]
            for r in runs
        ]
        assert len(tables[0]) > 1 and tables[0] == tables[1]
        if "_seconds," not in (one / "tables" / name).read_text():
            for kind in ("svg", "png"):
                file = f"figures/{name.removesuffix('.csv')}.{kind}"
                assert (one / file).read_bytes() == (two / file).read_bytes()
    assert (one / "report.html").stat().st_size > 1_000_000
