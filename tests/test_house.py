"""The house is in order: format, lint, environments, plans of the shipped studies."""

import contextlib
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.project import ROOT
from unlearn.core import parameters, registry
from unlearn.core.parameters import Parameters

BIN = Path(sys.executable).parent


def run(*call: object, **keywords) -> subprocess.CompletedProcess:
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False, **keywords)


@pytest.mark.parametrize(
    "call",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("snakefmt", "--check", "Snakefile", "rules"),
        ("snakemake", "--lint"),
        ("snakemake", "--lint", "--configfile", "configs/demo.yaml", "configs/digits.yaml"),
    ],
    ids=" ".join,
)
def test_format_and_lint(call):
    process = run(BIN / call[0], *call[1:])
    assert process.returncode == 0, process.stdout + process.stderr


def test_files_fit_one_reading():
    files = [*ROOT.glob("unlearn/**/*.py"), *ROOT.glob("scripts/*.py"), *ROOT.glob("rules/*.smk")]
    long = {str(f): n for f in files if (n := len(f.read_text().splitlines())) > 300}
    assert not long


def test_a_method_fits_one_page():
    """What is longer is machinery, which lies in `unlearn/algorithms`."""
    folder = ROOT / "unlearn" / "methods"
    files = [path for path in folder.glob("*.py") if path.name != "base.py"]
    long = {path.name: n for path in files if (n := len(path.read_text().splitlines())) > 120}
    assert files and not long


def test_the_full_study_is_planned_from_its_configuration():
    from unlearn.study.grid import union
    from unlearn.study.jobs import Jobs
    from unlearn.study.load import load_study

    plan = load_study(yaml.safe_load((ROOT / "config.yaml").read_text()))
    process = run(
        BIN / "snakemake", "-n", "--cores", "1", "--config", "results=/nonexistent/../tmp/none"
    )
    assert process.returncode == 0, process.stdout + process.stderr
    commands = re.findall(r"^Shell command: (.*)$", process.stdout + process.stderr, re.M)
    assert len(commands) > 1000 and max(map(len, commands)) < 2**17 - 1  # one argument, on Linux
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", process.stdout + process.stderr, re.M))
    assert int(jobs["score"]) == len(plan.cells)
    unlearned, oracles = Jobs(plan).population_grids(plan.audits)
    trials = union([experiment.trials for experiment in plan.experiments.values()])
    assert int(jobs["unlearn"]) == len({*plan.cells, *union(unlearned), *trials})
    assert int(jobs["oracle"]) == len(union(oracles))
    assert int(jobs["audit"]) == len(plan.audits) > 0
    assert int(jobs["table"]) == int(jobs["figure"]) == len(plan.experiments)
    parts = plan.datasets.values()
    featured = [part for part in parts if part.parameters["features"]]
    squeezed = [part for part in parts if part.squeeze]
    changed = [part for part in parts if not part.features and not part.squeeze]
    noised = [part for part in changed if part.noise]
    swapped = [part for part in changed if part.facts.swapped_classes]
    derived = [*featured, *squeezed, *noised, *swapped]
    assert int(jobs["data"]) == len(parts) - len(derived)
    assert int(jobs.get("squeezed", 0)) == len(squeezed)
    assert int(jobs["features"]) == len(featured) > 0
    assert int(jobs["noised"]) == len(noised) > int(jobs["noise"]) > 0
    assert int(jobs["picture"]) == int(jobs["picture_table"]) == len(plan.pictures)


# -- environments --------------------------------------------------------------------------------

CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
}


def pinned():
    lines = [*(ROOT / "requirements.txt").read_text().splitlines()]
    lines += (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {CONDA_NAMES.get(name, name).lower(): version for name, version in pairs}


@pytest.mark.parametrize("file", sorted(ROOT.glob("envs/*.yaml")), ids=lambda f: f.name)
def test_conda_environments_agree_with_the_pinned_requirements(file):
    from rattler import MatchSpec

    versions = pinned()
    dependencies = yaml.safe_load(file.read_text())["dependencies"]
    for dependency in dependencies:
        spec = MatchSpec(dependency)
        name = spec.name.normalized
        version = str(spec.version).lstrip("=").rstrip(".*")
        if name == "python":
            assert version == "3.11"
        else:
            assert version == versions[name], dependency


HASHED = ("requirements-hashed.txt", "requirements-cuda-hashed.txt")


def test_the_pins_with_hashes_are_the_pins():
    """Each package of the lists once, with one hash of 64 digits or more."""
    files = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
    lines = [line for name in files for line in (ROOT / name).read_text().splitlines()]
    pins = {re.sub(r"[-_.]+", "-", line).lower() for line in lines if "==" in line}
    blocks = re.findall(
        r"^([^ #\n]+==\S+)(?: ; [^\\\n]*)?((?: *\\\n    --hash=sha256:[0-9a-f]{64})+)$",
        "\n".join((ROOT / name).read_text() for name in HASHED),
        re.M,
    )
    hashed = [re.sub(r"[-_.]+", "-", pin).lower() for pin, _ in blocks]
    assert len(hashed) == len(set(hashed)) and pins <= set(hashed)
    written = [line for name in HASHED for line in (ROOT / name).read_text().splitlines()]
    assert len(hashed) == sum("==" in line for line in written if not line.startswith("#"))
    rest = set(hashed) - pins
    assert rest and all(name.startswith(("nvidia-", "cuda-", "triton=")) for name in rest)


TORCHVISION_HOOK = "unlearn.core.torchvision_operators"
"""Imports torch when something else imports torchvision, never before."""


def imported_packages(*modules: str) -> set[str]:
    """Third-party packages that importing project modules can load."""
    from unlearn.study import codehash

    packages = set()
    for module in set(codehash.closure(*modules)) - {TORCHVISION_HOOK}:
        source = codehash._source(ROOT, module).read_text()
        names = re.findall(r"^\s*(?:import|from) ([a-z_A-Z]+)", source, re.M)
        packages |= {name for name in names if name not in sys.stdlib_module_names}
    return packages - {"unlearn", "scripts"}


PACKAGES = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
}


FAMILIES_BY_RULE = {
    "data": ["data"],
    "noise": ["noises", "models"],
    "features": ["features"],
    "squeezed": ["squeezes"],
    "request": ["requests"],
    "train": ["trainers", "models"],
    "unlearn": ["trainers", "methods", "models"],
    "relearn": ["trainers", "methods", "models"],
    "certificate": ["trainers"],
    "certified_audit": ["methods"],
    "figure": ["figures"],
}
"""The families of components that the command of a rule imports by a computed name."""


def modules_of_rule(rule: str) -> list[str]:
    """The modules that the command of a rule can import: those of all components included."""
    modules = [f"scripts.{rule}"]
    for family in FAMILIES_BY_RULE.get(rule, []):
        for name in registry.names(family):
            modules.append(registry.module(family, name))
            for component in components(family, name):
                modules += component.modules()
    return modules


def components(family: str, name: str) -> Iterator[Parameters]:
    """A component with each choice of each of its parameters, as far as the choice is allowed."""
    component = registry.find(family, name)
    fields = parameters.fields(component)
    required = {key: field.limits.minimum for key, field in fields.items() if field.required}
    choices = [
        (key, choice) for key, field in fields.items() for choice in field.limits.choices or ()
    ]
    for changes in [{}, *({key: choice} for key, choice in choices)]:
        with contextlib.suppress(ValueError):  # parameters that do not fit each other
            yield component(**required | changes)


@pytest.mark.parametrize("file", sorted(ROOT.glob("rules/*.smk")), ids=lambda f: f.stem)
def test_every_rule_has_what_its_command_imports(file):
    for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
        name = rule.partition(":")[0]
        environment = re.search(r'conda:\s*"\.\./(envs/\w+\.yaml)"', rule).group(1)
        dependencies = yaml.safe_load((ROOT / environment).read_text())["dependencies"]
        available = {dependency.split()[0] for dependency in dependencies}
        needed = {PACKAGES.get(p, p) for p in imported_packages(*modules_of_rule(name))}
        assert needed <= available, f"rule {name}: {needed - available} not in {environment}"


CONDA = r"""#!/usr/bin/env python3
# Stands in for conda where its channels cannot be reached: environments are venvs.
import json, pathlib, subprocess, sys
arguments = sys.argv[1:]
if arguments[:1] == ["--version"]:
    print("conda 24.7.1")
elif arguments[:1] == ["info"]:
    prefix = str(pathlib.Path(__file__).parents[1])
    print(json.dumps({"conda_prefix": prefix, "root_prefix": prefix, "platform": "linux-64"}))
elif "channel_priority" in arguments:
    print(json.dumps({"get": {"channel_priority": "strict"}}))
elif "create" in arguments:
    prefix = pathlib.Path(arguments[arguments.index("--prefix") + 1])
    python = "PYTHON"
    subprocess.run([python, "-m", "venv", "--without-pip", prefix], check=True)
    site = next((prefix / "lib").glob("python*")) / "site-packages" / "base.pth"
    site.write_text("SITE\n")
"""
ACTIVATE = 'export CONDA_PREFIX="$1"; export PATH="$1/bin:$PATH"\n'


def test_conda_users_are_served(small, tmp_path):
    """`--sdm conda`: commands run in environments that stand for those of their rules."""
    import numpy

    site = Path(numpy.__file__).parents[1]
    folder = tmp_path / "conda" / "bin"
    folder.mkdir(parents=True)
    conda = folder / "conda"
    conda.write_text(CONDA.replace("PYTHON", sys.executable).replace("SITE", str(site)))
    conda.chmod(conda.stat().st_mode | stat.S_IXUSR)
    (folder / "activate").write_text(ACTIVATE)
    import os

    target = "results/tiny/tables/accuracy.csv"
    process = small.snakemake(
        target, "--cores", "1", "--sdm", "conda", PATH=f"{folder}:{os.environ['PATH']}"
    )
    log = process.stdout + process.stderr
    assert "Activating conda environment" in log
    record = (small.root / ".snakemake" / "conda").iterdir()
    assert any((p / "bin" / "python").exists() for p in record if p.is_dir())
    assert (small.root / target).exists()
