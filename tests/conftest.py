"""Fixtures: copies of the project, a finished tiny study, small real data."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support import slurm as one_node
from tests.support import warm
from tests.support.project import SMALL, TINY, Project, finished_project, new_project
from unlearn.conformance.subject import small_digits


def pytest_collection_modifyitems(items):
    """Tests of schedulers come first: they mostly wait, and nothing should wait for them."""
    items.sort(key=lambda item: not item.path.name.startswith("test_cluster"))


@pytest.fixture(scope="session", autouse=True)
def warm_servers():
    """End the processes that have imported Snakemake, if a test needed some."""
    yield
    warm.stop()


@pytest.fixture
def project(tmp_path) -> Project:
    return new_project(tmp_path / "fresh")


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory) -> Project:
    return finished_project(tmp_path_factory, "finished", TINY)


@pytest.fixture
def finished(finished_once, tmp_path) -> Project:
    """A private copy of a finished tiny study."""
    return finished_once.copy(tmp_path / "project")


@pytest.fixture
def small(project) -> Project:
    project.write_study(SMALL)
    return project


@pytest.fixture(scope="session")
def small_once(tmp_path_factory) -> Project:
    return finished_project(tmp_path_factory, "finished_small", SMALL)


@pytest.fixture
def finished_small(small_once, tmp_path) -> Project:
    """A private copy of the finished study of three cells."""
    return small_once.copy(tmp_path / "project")


@pytest.fixture
def slurm():
    """A SLURM of one node; skips the test where its programs are not installed."""
    missing = one_node.missing()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: slurm-wlm munge)")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # short: munge's socket lies in it
    with one_node.Slurm(folder) as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def digits():
    """200 digits, 40 of them held out of base training."""
    return small_digits()
