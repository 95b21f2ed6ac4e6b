"""The recipes of docs/adding.md, followed to the letter."""

import re
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from tests.support.project import ROOT, TINY

pytestmark = pytest.mark.xdist_group("extending")

RECIPES = (ROOT / "docs/adding.md").read_text()


def block(language, containing):
    found = re.findall(rf"```{language}\n(.*?)```", RECIPES, re.S)
    return next(text for text in found if containing in text)


def append(project, path, text):
    with open(project.root / path, "a") as file:
        file.write("\n" + text)


def test_adding_a_method(project):
    (project.root / "unlearn/methods/shrink.py").write_text(block("python", "class Shrink"))
    append(project, "schemas/methods.schema.yaml", block("yaml", "shrink:"))
    (project.root / "mine.yaml").write_text(block("yaml", "study: mine"))
    project.snakemake("results/mine/tables/shrinking.csv", "--cores", "1", study=("mine.yaml",))
    table = pd.read_csv(project.root / "results/mine/tables/shrinking.csv")
    assert table.query("method == 'shrink'")["n"].tolist() == [3] * 16
    (project.root / "beside.yaml").write_text(block("yaml", "  comparison:"))
    figure, over = "results/full/figures/comparison.png", ("config.yaml", "beside.yaml")
    planned = project.snakemake(figure, "-n", study=over).stdout
    assert "wildcards: dataset=cifar10_part, model=convnet, variant=shrink" in planned
    assert "variant=sisa_uniform" in planned
    call = [sys.executable, "-m", "pytest", "-n", "0", "tests/test_methods.py", "-k", "shrink"]
    done = subprocess.run(call, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout


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


LETTERS = '''"""Digits upside down."""

import numpy as np

from unlearn.data import digits

CLASSES = 10
SHAPE = (8, 8, 1)
TRAIN = 1437
TEST = 360
MEAN = (0.5,)
STD = (0.5,)


def load(folder):
    """Train images, train labels, test images, test labels."""
    a, b, c, d = digits.load(folder)
    return np.ascontiguousarray(a[:, ::-1]), b, np.ascontiguousarray(c[:, ::-1]), d
'''

OLDEST = '''"""Deletion of the first points."""

import numpy as np

from unlearn.requests.request import NOBODY, Request, split

ASKS = ("delete",)


def check(points, classes, held_out, *, count):
    """ValueError if that is everything."""
    if count >= points - held_out:
        raise ValueError(f"{count} points are all of them")


def draw(labels, held_out, *, count):
    """The lowest ids."""
    base = np.setdiff1d(np.arange(len(labels)), held_out)
    return Request(split(base[:count], 1), [NOBODY])
'''

OLDEST_SCHEMA = """oldest:
  type: object
  additionalProperties: false
  properties:
    count: {type: integer, minimum: 1, default: 10}
"""


def test_what_a_module_must_say_and_does_not_is_named(project):
    """Facts are read from the source: of a sampler what it asks for, of a method three."""
    append(project, "schemas/samplers.schema.yaml", OLDEST_SCHEMA)
    append(project, "schemas/methods.schema.yaml", block("yaml", "shrink:"))
    sampler, method = OLDEST, block("python", "class Shrink")
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["experiments"]["accuracy"] |= {"method": "shrink", "request": "oldest"}
    project.write_study(study)
    for path, text, fact in (
        ("unlearn/requests/oldest.py", sampler, "ASKS"),
        ("unlearn/methods/shrink.py", method, "trainer"),
        ("unlearn/methods/shrink.py", method, "guarantee"),
        ("unlearn/methods/shrink.py", method, "serves"),
    ):
        (project.root / "unlearn/requests/oldest.py").write_text(sampler)
        (project.root / "unlearn/methods/shrink.py").write_text(method)
        line = next(line for line in text.splitlines(True) if line.strip().startswith(f"{fact} ="))
        (project.root / path).write_text(text.replace(line, ""))
        done = project.snakemake("-n", check=False)
        assert done.returncode
        said = done.stdout + done.stderr
        assert "study.yaml" in said and f"{path} declares no {fact}" in said, said


def test_adding_a_data_set_a_sampler_and_a_model(project):
    project.edit(
        "unlearn/models/networks.py",
        "def _resnet18(",
        block("python", "_patches") + "\n\ndef _resnet18(",
    )
    project.edit(
        "unlearn/models/networks.py", "_BUILDERS = {", '_BUILDERS = {\n    "patches": _patches,'
    )
    append(project, "schemas/models.schema.yaml", block("yaml", "patches:"))
    (project.root / "unlearn/data/letters.py").write_text(LETTERS)
    append(project, "schemas/datasets.schema.yaml", "letters: {<<: *dataset, description: x}\n")
    (project.root / "unlearn/requests/oldest.py").write_text(OLDEST)
    append(project, "schemas/samplers.schema.yaml", OLDEST_SCHEMA)
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
