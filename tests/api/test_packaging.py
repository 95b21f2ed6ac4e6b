"""The wheel, in an environment of its own; methods of an installed package, in a study."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.project import ROOT, SMALL

PACKAGE = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "tiny-methods"
version = "1.0"

[project.entry-points."unlearn.methods"]
shrink = "tiny_methods.shrinking:Shrink"

[project.entry-points."unlearn.requests"]
first = "tiny_methods.first:First"

[project.entry-points."unlearn.models"]
linear = "tiny_methods.linear:Linear"

[project.entry-points."unlearn.data"]
halves = "tiny_methods.halves:Halves"

[project.entry-points."unlearn.metrics"]
confidence = "tiny_methods.confidence:CONFIDENCE"

[tool.setuptools]
packages = ["tiny_methods"]
""",
    "tiny_methods/__init__.py": "",
    "tiny_methods/factors.py": "def shrunk(tensor, factor):\n    return tensor * factor\n",
    "tiny_methods/shrinking.py": '''\
"""Shrink all weights towards zero."""

from unlearn.methods.base import Method, Update, parameter


class Shrink(Method):
    """Multiply every weight by a factor."""

    continues = True
    deterministic = True
    reads = frozenset()

    factor: float = parameter(0.9, above=0, maximum=1, help="What tensors are multiplied by.")

    def unlearn(self, task, original, request, seed):
        """The shrunk model."""
        import torch

        from tiny_methods.factors import shrunk

        names = task.trainer.compared(task)
        tensors = {name: torch.as_tensor(original[name]) for name in names}
        return Update({n: shrunk(t, self.factor).to(t.dtype) for n, t in tensors.items()})
''',
    "tiny_methods/first.py": '''\
"""Deletion of the first points."""

from unlearn.core.parameters import parameter
from unlearn.requests.base import Sampler
from unlearn.requests.request import deletion


class First(Sampler):
    """The lowest ids."""

    count: int = parameter(10, minimum=1)

    def draw(self, dataset):
        """The first ids of base training."""
        return deletion(dataset.base_ids[: self.count])
''',
    "tiny_methods/linear.py": '''\
"""A linear model."""

from unlearn.models.base import Architecture


class Linear(Architecture):
    """One linear layer."""

    flat = True

    def build(self, shape, classes):
        """Flatten, linear."""
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))
''',
    "tiny_methods/halves.py": '''\
"""Half-bright digits."""

from unlearn.data.digits import Digits
from unlearn.data.source import DataSource, RawData


class Halves(DataSource):
    """Digits of half the brightness."""

    classes = 10
    shape = (8, 8, 1)
    train_points = 1437
    test_points = 360
    validation_points = 100
    mean = (0.25,)
    std = (0.25,)

    def load(self, folder):
        """The images of digits, divided by two."""
        train, train_labels, test, test_labels = Digits().load(folder)
        return RawData(train // 2, train_labels, test // 2, test_labels)
''',
    "tiny_methods/confidence.py": '''\
"""How sure a model is of its predictions."""

import numpy as np

from unlearn.metrics.divergence import log_softmax
from unlearn.metrics.metric import Metric


def confidence(logits, labels):
    """The mean of the largest probability; None for no points."""
    return float(np.exp(log_softmax(logits)).max(1).mean()) if len(labels) else None


CONFIDENCE = Metric(name="confidence", label="Confidence", of_model=confidence)
''',
}


def clean_environment(**change: str) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return environment | change


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the tiny package as pip installs it, and its source."""
    source = tmp_path_factory.mktemp("source")
    for name, text in PACKAGE.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    target = tmp_path_factory.mktemp("installed")
    pip_install(source, "--target", target)
    return target


def pip_install(source, *options) -> None:
    call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    call += ["--no-build-isolation", "--disable-pip-version-check", *options, source]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_works_outside_the_project(tmp_path):
    """Installed into a fresh environment, with the schema inside; the tutorial's calls run."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "results", ".snakemake", "docs", "build")
    shutil.copytree(ROOT, source, ignore=ignored)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    others = Path(np.__file__).parents[1]
    (site / "dependencies.pth").write_text(f"{others}\n")  # torch and so on, as they are here
    pip_install(source, "--target", site)
    program = """
import unlearn
from unlearn import api
from unlearn.methods.finetune import Finetune
from unlearn.models.mlp import Mlp
from unlearn.study.load import load_study
print(unlearn.__file__)
dataset = api.load_dataset("digits", subset=100)
original = api.train(dataset, Mlp(hidden=4), recipe=api.Recipe(epochs=1))
unlearned = api.unlearn(original, Finetune(epochs=1), [0, 1])
print(len(api.evaluate(unlearned, api.retrain(original, [0, 1]))) > 10)
experiment = {"dataset": "digits", "model": "mlp", "method": "finetune",
              "request": {"name": "random", "rate": 0.1}, "figure": {"x": "rate", "y": "kl"}}
print(len(load_study({"study": "s", "experiments": {"e": experiment}}).cells))
"""
    done = subprocess.run(
        [environment / "bin/python", "-c", program],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, scored, cells = done.stdout.split()
    assert where.startswith(str(site)) and scored == "True" and cells == "3"


def test_components_of_an_installed_package_run_in_a_study(project, installed):
    """Method, sampler, model, data, metric; an edit of the package runs its jobs again."""
    study = SMALL | {"datasets": {"halves": {"recipe": "quick", "subset": 200}}, "models": {}}
    study["experiments"] = {
        "accuracy": {
            "dataset": "halves",
            "model": "linear",
            "method": ["finetune", {"name": "shrink", "factor": 0.5}],
            "request": "first",
            "figure": {"x": "variant", "y": ["accuracy", "confidence"], "split": "test"},
        }
    }
    project.write_study(study)
    project.run("tables/accuracy.csv", PYTHONPATH=str(installed))
    table = pd.read_csv(project.results("tables/accuracy.csv")).set_index("variant")
    confidence = table[table["metric"] == "confidence"]["mean"]
    assert confidence["shrink-factor=0.5"] < confidence["original"] <= 1
    jobs = project.planned("results/tiny/tables/accuracy.csv", PYTHONPATH=str(installed))
    assert not jobs
    helper = installed / "tiny_methods" / "factors.py"
    helper.write_text("# a comment\n" + helper.read_text())
    assert not project.planned("results/tiny/tables/accuracy.csv", PYTHONPATH=str(installed))
    helper.write_text("def shrunk(tensor, factor):\n    return tensor * factor * factor\n")
    jobs = project.planned("results/tiny/tables/accuracy.csv", PYTHONPATH=str(installed))
    assert any(job.startswith("unlearn shrink-factor=0.5") for job in jobs)
    project.run("tables/accuracy.csv", PYTHONPATH=str(installed))
    again = pd.read_csv(project.results("tables/accuracy.csv")).set_index("variant")
    smaller = again[again["metric"] == "confidence"]["mean"]
    assert smaller["shrink-factor=0.5"] < confidence["shrink-factor=0.5"]


SUITE = """\
from tiny_methods.shrinking import Shrink
from unlearn.conformance import MethodSuite


class TestShrink(MethodSuite):
    method = Shrink
"""


def test_a_package_runs_the_conformance_suite_without_this_repository(tmp_path, installed):
    """By a test file of its own; a promise that it breaks fails in one line.

    What the method does not claim is skipped: a formula, neutral parameters, exactness, awareness.
    """
    (tmp_path / "unlearn").symlink_to(ROOT / "unlearn")
    (tmp_path / "test_shrink.py").write_text(SUITE)
    call = [sys.executable, "-m", "pytest", "-W", "error::pytest.PytestWarning", "test_shrink.py"]
    environment = clean_environment(PYTHONPATH=f"{installed}:{tmp_path}")
    process = subprocess.run(
        call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout
    assert " passed, 4 skipped" in process.stdout
    (tmp_path / "test_shrink.py").write_text(f"{SUITE}    method.reads = {{'retain'}}\n")
    process = subprocess.run(
        [*call, "-k", "charges"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "AssertionError: shrink: changes weights and charges nothing" in process.stdout


def test_the_conformance_suites_find_an_installed_package(project, installed):
    """Its method and its data set, by their names."""
    few_checks = "TestShrink and mlp and (update or declare)"
    for folder, name in (("tests/methods/conformance", few_checks), ("tests/data", "halves")):
        call = [sys.executable, "-m", "pytest", "-n", "0", "-W", "ignore", folder, "-k", name]
        process = subprocess.run(
            call,
            cwd=project.root,
            env=clean_environment() | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout
        assert "." in process.stdout and "failed" not in process.stdout


def test_an_entry_point_that_is_no_component_is_refused(project, installed):
    text = (installed / "tiny_methods-1.0.dist-info" / "entry_points.txt").read_text()
    wrong = text.replace("tiny_methods.shrinking:Shrink", "tiny_methods.factors:shrunk")
    folder = project.root / "wrong"
    shutil.copytree(installed, folder)
    (folder / "tiny_methods-1.0.dist-info" / "entry_points.txt").write_text(wrong)
    study = SMALL | {
        "experiments": {"accuracy": SMALL["experiments"]["accuracy"] | {"method": "shrink"}}
    }
    project.write_study(study)
    done = project.snakemake("-n", check=False, PYTHONPATH=str(folder))
    assert "entry point shrink of methods: tiny_methods.factors:shrunk" in done.stdout + done.stderr
