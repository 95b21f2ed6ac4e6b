"""The recipes of docs/adding.md, followed to the letter."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.support.letters import LETTERS
from tests.support.project import ROOT, TINY, Project

pytestmark = pytest.mark.xdist_group("extending")

RECIPES = (ROOT / "docs/adding.md").read_text()


def block(language: str, text: str) -> str:
    """The code block of the page that holds this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", RECIPES, re.S)
    return next(candidate for candidate in blocks if text in candidate)


def write_method(project: Project) -> Path:
    """The method of the page, in its file: nothing else is edited."""
    path = project.root / "unlearn/methods/shrink.py"
    path.write_text(block("python", "class Shrink"))
    return path


def test_adding_a_method(project):
    lines = write_method(project).read_text().splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    (project.root / "mine.yaml").write_text(block("yaml", "study: mine"))
    project.snakemake("results/mine/tables/shrinking.csv", "--cores", "1", study=("mine.yaml",))
    table = pd.read_csv(project.root / "results/mine/tables/shrinking.csv")
    assert table.query("method == 'shrink'")["n"].tolist() == [3] * 16
    (project.root / "beside.yaml").write_text(block("yaml", "  comparison:"))
    target = "results/full/figures/comparison.png"
    log = project.snakemake(target, "-n", study=("config.yaml", "beside.yaml")).stdout
    assert "wildcards: dataset=cifar10_part, model=convnet, variant=shrink" in log
    assert "variant=sisa_uniform" in log


def test_the_conformance_suite_finds_a_new_method(project):
    """By the command of the page."""
    write_method(project)
    (command,) = re.findall(r"^ +\.venv/bin/python (.* -k shrink)$", RECIPES, re.M)
    call = [sys.executable, *command.split()]
    process = subprocess.run(call, cwd=project.root, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout
    assert "passed" in process.stdout


def test_adding_an_experiment(project):
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["experiments"] = yaml.safe_load(block("yaml", "finetune_epochs"))["experiments"]
    project.write_study(study)
    project.run("figures/finetune_epochs.png")
    table = pd.read_csv(project.results("tables/finetune_epochs.csv"))
    epochs = table.query("method == 'finetune'")["method.epochs"]
    assert sorted(set(epochs)) == [1, 2, 5, 10]
    assert table.query("method == 'retrain'")["method.epochs"].isna().all()
    assert set(table["metric"]) == {"accuracy", "kl"}
    assert project.results("figures/finetune_epochs.png").exists()


OLDEST = '''"""Deletion of the first points."""

from unlearn.core.parameters import parameter
from unlearn.requests.base import Sampler
from unlearn.requests.request import deletion


class Oldest(Sampler):
    """The points with the lowest ids."""

    count: int = parameter(10, minimum=1, help="Number of points.")

    def check(self, setting):
        """Raise ValueError if that is everything."""
        if self.count >= setting.data.base_points:
            raise ValueError(f"{self.count} points are all of them")

    def draw(self, dataset):
        """The lowest ids."""
        return deletion(dataset.base_ids[: self.count])
'''

BROKEN = {
    "guarantee": ("methods/shrink.py", '    guarantee = "perfect"\n', "'perfect' is not allowed"),
    "trainer": ("methods/shrink.py", '    trainer = "nobody"\n', "'nobody' is not allowed"),
    "serves": ("methods/shrink.py", '    serves = ("forget",)\n', "'forget' is not allowed"),
    "reads": ("methods/shrink.py", '    reads = {"test"}\n', "'test' is not allowed"),
    "changes": ("requests/oldest.py", '    changes = ("remove",)\n', "'remove' is not allowed"),
}
"""Class attribute -> file, declaration, message."""


@pytest.mark.parametrize("attribute", BROKEN)
def test_a_declaration_that_cannot_be_is_named(attribute, project):
    name, line, message = BROKEN[attribute]
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["experiments"]["accuracy"] |= {"method": "shrink", "request": "oldest"}
    project.write_study(study)
    write_method(project)
    (project.root / "unlearn/requests/oldest.py").write_text(OLDEST)
    path = project.root / "unlearn" / name
    text = re.sub(rf"    {attribute} = .*\n\n", "", path.read_text())
    head, body = re.split(r"(?<=\"\"\"\n)(?=\n    \w)", text, maxsplit=1)
    path.write_text(f"{head}\n{line}{body}")
    process = project.snakemake("-n", check=False)
    log = process.stdout + process.stderr
    assert process.returncode and "Traceback" not in log
    module = f"unlearn.{name}".replace("/", ".").removesuffix(".py")
    assert f"study.yaml: {module}: {attribute}: {message}; allowed: " in log, log


def test_a_file_with_two_components_is_named(project):
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["experiments"]["accuracy"] |= {"method": "shrink"}
    project.write_study(study)
    with open(write_method(project), "a") as file:
        file.write("\n\nclass Grow(Method):\n    pass\n")
    process = project.snakemake("-n", check=False)
    log = process.stdout + process.stderr
    assert process.returncode and "Traceback" not in log
    assert "study.yaml: unlearn.methods.shrink needs one class that derives from Method" in log, log


def test_adding_a_data_set_a_sampler_and_a_model(project):
    """One file each, and nothing else."""
    (project.root / "unlearn/models/patches.py").write_text(block("python", "class Patches"))
    (project.root / "unlearn/data/letters.py").write_text(LETTERS)
    (project.root / "unlearn/requests/oldest.py").write_text(OLDEST)
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["datasets"]["letters"] = {"recipe": "quick", "subset": 100}
    study["experiments"]["accuracy"] |= {
        "dataset": "letters",
        "model": {"name": "patches", "width": 4},
        "request": "oldest",
        "method": "finetune",
    }
    project.write_study(study)
    project.run("scores.csv")
    scores = pd.read_csv(project.results("scores.csv"))
    assert set(scores["dataset"]) == {"letters"} and set(scores["sampler"]) == {"oldest"}
    assert set(scores["model"]) == {"patches-width=4"}
    assert set(scores["rate"]) == {0.1}


def test_adding_a_trainer(project):
    """The page's trainer passes the contract's tests, and a method reads what it has stored."""
    trainer = block("python", "class WeightSizes")
    (project.root / "unlearn/trainers/weight_sizes.py").write_text(trainer)
    call = [sys.executable, "-m", "pytest", "-n", "0", "tests/trainers/test_contract.py"]
    process = subprocess.run(
        [*call, "-k", "weight_sizes"], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0 and "passed" in process.stdout, process.stdout
    shrink = block("python", "class Shrink")
    reader = shrink.replace("    reads = ", '    trainer = "weight_sizes"\n    reads = ')
    reader = reader.replace(
        "for name in names}", 'for name in names if f"size/{name}" in original}'
    )
    assert reader.count("weight_sizes") == reader.count("size/") == 1
    (project.root / "unlearn/methods/shrink.py").write_text(reader)
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["experiments"]["accuracy"]["method"] = "shrink"
    project.write_study(study)
    project.run("scores.csv")
    scores = pd.read_csv(project.results("scores.csv"))
    assert set(scores["variant"]) == {"original", "retrain", "shrink"}
