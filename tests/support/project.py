"""Copies of the project, and Snakemake in them."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from filelock import FileLock

from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]

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

NAMING_WILDCARDS = ("variant", "request", "fleet", "experiment")
"""The wildcards that name a planned job."""


OWN_PROCESS = {"--workflow-profile", "--sdm", "--no-hooks", "ATEN_CPU_CAPABILITY"}
"""Options by which jobs run elsewhere than in forks, and variables that libraries import with."""

IS_LINUX = sys.platform == "linux"
"""Whether processes with these libraries may fork."""


class Project:
    """A copy of the project in a directory of its own, and Snakemake in it."""

    def __init__(self, root: Path):
        self.root = root

    def write_study(self, study: dict) -> None:
        (self.root / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def snakemake(
        self,
        *arguments: str,
        study: tuple | None = ("study.yaml",),
        check: bool = True,
        alone: bool = False,
        **environment: str,
    ):
        """A call of Snakemake: a fork of a process that has imported it, or a process of its own.

        Its own has what chooses where jobs run, and a call in which `alone` is set.
        """
        call = [*arguments, *(["--configfile", *study] if study else [])]
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment
        if alone or OWN_PROCESS.intersection([*arguments, *environment]) or not IS_LINUX:
            process = subprocess.run(
                [sys.executable, "-m", "snakemake", *call],
                cwd=self.root,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
        else:
            process = warm.servers().snakemake(call, self.root, env)
        assert not check or process.returncode == 0, process.stdout + process.stderr
        return process

    def run(self, *files: str, **keywords):
        """Everything, or only these files of the results."""
        return self.snakemake("--cores", "1", *(f"{RESULTS}/{file}" for file in files), **keywords)

    def planned(self, *arguments: str, **environment: str) -> list[str]:
        """What a call would run: `rule` or `rule variant` of every job, sorted."""
        process = self.snakemake("-n", "--cores", "1", *arguments, **environment)
        jobs = []
        rule = None
        wildcards = ""
        for line in [*process.stdout.splitlines(), *process.stderr.splitlines(), ""]:
            if line.startswith(("rule ", "localrule ")):
                rule = line.split()[1].rstrip(":")
                wildcards = ""
            elif line.strip().startswith("wildcards:") and rule:
                wildcards = line
            elif not line.strip() and rule:
                pairs = wildcards.strip().removeprefix("wildcards: ").split(", ")
                values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
                names = [values[key] for key in NAMING_WILDCARDS if key in values]
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
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("docs/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    project = Project(target)
    project.write_study(TINY)
    return project


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
            process = project.snakemake("--cores", "1", "--verbose", alone=True)
            (project.root / "verbose.log").write_text(process.stdout + process.stderr)
    return project
