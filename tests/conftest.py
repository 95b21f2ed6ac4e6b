"""Fixtures: copies of the project, a finished tiny study, small real data."""

import copy
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import one_node
import pytest
import yaml
from filelock import FileLock

from benchmarks._common import dataset_of
from unlearn.data import dataset
from unlearn.jobs.setup import new_task
from unlearn.study import registry, schema

ROOT = Path(__file__).resolve().parents[1]

DEVICE = os.environ.get("UNLEARN_TEST_DEVICE", "cpu")
"""Where the jobs of tests train; `UNLEARN_TEST_DEVICE=cuda` puts the conformance suite on a GPU."""

TINY = {
    "study": "tiny",
    "seeds": 2,
    "fleet": 2,
    "recipes": {"quick": {"epochs": 2, "batch_size": 32, "lr": 0.1}},
    "datasets": {"digits": {"recipe": "quick", "subset": 200}},
    "models": {"mlp": {"hidden": 16}, "cnn1": {"width": 4}},
    "experiments": {
        "accuracy": {
            "dataset": "digits",
            "model": "cnn1",
            "method": ["finetune", "gradient_ascent"],
            "request": {"name": "random", "rate": [0.1, 0.2]},
            "figure": {"x": "rate", "y": "accuracy", "split": ["forget", "test"]},
        },
    },
}

SMALL = copy.deepcopy(TINY)
"""Three cells, for tests of what goes wrong with any of them."""
SMALL["experiments"]["accuracy"] |= {
    "method": "finetune",
    "request": {"name": "random", "rate": 0.1},
}


RESULTS = "results/tiny"


class Project:
    """A copy of the project in a directory of its own, and Snakemake in it."""

    def __init__(self, root: Path):
        self.root = root

    def write_study(self, study: dict) -> None:
        (self.root / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def snakemake(
        self,
        *arguments: str,
        study: tuple = ("study.yaml",),
        check: bool = True,
        **environment: str,
    ):
        call = [sys.executable, "-m", "snakemake", *arguments, "--configfile", *study]
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment
        done = subprocess.run(
            call, cwd=self.root, env=env, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def run(self, *files: str, **keywords):
        """Everything, or only these files of the results."""
        return self.snakemake("--cores", "1", *(f"{RESULTS}/{file}" for file in files), **keywords)

    def planned(self, *arguments: str) -> list[str]:
        """What a call would run: `rule` or `rule variant` of every job, sorted."""
        done = self.snakemake("-n", "--cores", "1", *arguments)
        jobs, rule, wildcards = [], None, ""
        for line in [*done.stdout.splitlines(), *done.stderr.splitlines(), ""]:
            if line.startswith(("rule ", "localrule ")):
                rule, wildcards = line.split()[1].rstrip(":"), ""
            elif line.strip().startswith("wildcards:") and rule:
                wildcards = line
            elif not line.strip() and rule:
                found = dict(
                    p.split("=", 1) for p in wildcards.strip()[11:].split(", ") if "=" in p
                )
                names = [
                    found[k] for k in ("variant", "request", "fleet", "experiment") if k in found
                ]
                jobs.append(" ".join([rule, *names]))
                rule = None
        return sorted(set(jobs) - {"all"})

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new, 1))

    def profile(self, kind: str, **change) -> str:
        """A copy of a profile with its site lines changed, as the documentation tells to make one."""
        profile = yaml.safe_load((self.root / f"profiles/{kind}/profile.yaml").read_text())
        folder = self.root / "profiles" / "mine"
        folder.mkdir(exist_ok=True)
        content = yaml.safe_dump(profile | {"latency-wait": 10} | change)
        (folder / "profile.yaml").write_text(content)
        return "profiles/mine"

    def results(self, suffix: str = "") -> Path:
        return self.root / RESULTS / suffix

    def copy(self, target: Path) -> "Project":
        shutil.copytree(self.root, target, symlinks=True)  # keeps modification times
        return Project(target)


def new_project(target: Path) -> Project:
    """The files that git tracks or would track, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("docs/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    project = Project(target)
    project.write_study(TINY)
    return project


@pytest.fixture
def project(tmp_path) -> Project:
    return new_project(tmp_path / "fresh")


def finished_project(tmp_path_factory, name: str, study: dict) -> Project:
    """One for all workers of pytest: the first that needs it runs it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / f"{name}.lock"):
        project = Project(folder / name)
        if not project.results("complete.json").exists():
            shutil.rmtree(project.root, ignore_errors=True)
            project = new_project(project.root)
            project.write_study(study)
            done = project.snakemake("--cores", "1", "--verbose")
            (project.root / "verbose.log").write_text(done.stdout + done.stderr)
    return project


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


def build(kind: str, folder: str | Path = "unused", **change) -> dataset.Dataset:
    """A data set with the schema's defaults; all of its training points are evaluated."""
    return dataset_of(kind, folder, **{"retain_sample": None} | change)


@pytest.fixture(scope="session")
def digits():
    """200 digits, 40 of them held out of base training."""
    return build("digits", subset=200, held_out=0.2)


def job(
    model: str = "mlp", seeds=(0,), precision="float32", method=None, trainer=None, **recipe
) -> dict:
    """The description of a torch job. `trainer`: its parameters; its kind is the method's."""
    rules = schema.read("recipe")["standard"]
    small = {"epochs": 2, "batch_size": 32, "lr": 0.1}
    if described_trainer(method, trainer or {})["kind"] == "deltagrad":
        small["momentum"] = 0
    small |= recipe
    own = schema.with_defaults({}, schema.read("models")[model])
    own.pop("recipe")
    described = {
        "model": {"kind": model, "parameters": own},
        "recipe": {"kind": "standard", "parameters": schema.with_defaults(small, rules)},
        "trainer": described_trainer(method, trainer or {}),
        "seeds": list(seeds),
        "device": DEVICE,
        "precision": precision,
    }
    if method:
        rules = schema.read("methods")[method]
        parameters = schema.with_defaults({}, rules)
        described["method"] = {"kind": method, "parameters": parameters}
    return described


def described_trainer(method: str | None, parameters: dict) -> dict:
    declared = registry.facts("methods", method)["trainer"] if method else None
    kind = parameters.get("kind") or declared or "standard"
    own = {name: value for name, value in parameters.items() if name != "kind"}
    rules = schema.read("trainers")[kind]
    return {"kind": kind, "parameters": schema.with_defaults(own, rules)}


def task(data, **keywords):
    return new_task(data, job(**keywords))


def raw_data(name: str) -> Path:
    """The folder with a complete copy of a raw data set; skips the test where there is none."""
    folder = Path(os.environ.get("UNLEARN_DATA", ROOT / "data"))
    if not (folder / name).is_dir():
        pytest.skip(f"no {name} in {folder}; name the raw data's folder with UNLEARN_DATA")
    return folder
