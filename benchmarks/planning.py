"""What Snakemake's plan costs for a study of many cells: seconds and memory of a call.

A synthetic study of so many cells is planned from nothing (`-n`); then its files are made, empty,
and recorded as done (`--touch`), and the call that has nothing to do is timed. Beside it, in turn: the
start of Snakemake alone, and a bare workflow of as many jobs in pairs, one input and one output each, which
is what Snakemake itself takes.

    python -m benchmarks.planning [--cells 1000] [--rounds 3]
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks import _common
from unlearn import layout

CODE = ("Snakefile", "pyproject.toml", "rules", "scripts", "schemas", "unlearn", "envs", "report")


BARE = """\
rule all:
    input: expand("second/{{i}}", i=range({pairs}))

rule first:
    output: "first/{{i}}"
    shell: "touch {{output}}"

rule second:
    input: "first/{{i}}"
    output: "second/{{i}}"
    shell: "touch {{output}}"
"""


def main() -> None:
    """Measure, print one JSON object."""
    arguments = _common.options(__doc__, cells=1000, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        root, bare = Path(folder, "study"), Path(folder, "bare")
        for name in CODE:
            source, target = Path(__file__).parents[1] / name, root / name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        study = root / "study.yaml"
        study.write_text(yaml.safe_dump(study_of(arguments.cells)))
        config = ("--configfile", study.name)
        plan, *cost = call(root, "-n", *config)
        jobs = len(outputs(plan))
        print(json.dumps({"cells": arguments.cells, "jobs": jobs, "plan": cost}), flush=True)
        finish(root, plan, *config)
        bare.mkdir()
        (bare / "Snakefile").write_text(BARE.format(pairs=jobs // 2))
        finish(bare, call(bare, "-n")[0])
        calls = {"start": (bare, "--version"), "bare": (bare,), "study": (root, *config)}
        costs = {name: [] for name in calls}
        for _ in range(arguments.rounds):
            for name, (place, *options) in calls.items():
                said, *cost = call(place, "--cores", "1", *options)
                assert name == "start" or "Nothing to be done" in said, said[-3000:]
                costs[name].append(cost)
    for name, found in costs.items():
        seconds, megabytes = (statistics.median(values) for values in zip(*found, strict=True))
        print(json.dumps({"no-op": name, "seconds": seconds, "megabytes": megabytes}))


def study_of(cells: int) -> dict:
    """A study of about so many cells: `finetune` at many rates of learning, on many requests."""
    requests = max(1, round(cells**0.5 / 10) * 10)
    variants = cells // requests - len(layout.CONTROLS)
    return {
        "study": "many",
        "recipes": {"quick": {"epochs": 1}},
        "datasets": {"digits": {"recipe": "quick"}},
        "experiments": {
            "many": {
                "description": "Many cells.",
                "dataset": "digits",
                "model": "logistic",
                "method": {"name": "finetune", "lr": [(i + 1) / 10000 for i in range(variants)]},
                "request": {"name": "random", "count": list(range(1, requests + 1))},
                "figure": {"x": "points", "y": "accuracy", "split": "test", "colour": "variant"},
            }
        },
    }


def finish(root: Path, plan: str, *options: str) -> None:
    """Make the files of a plan, empty, and record them as made."""
    for names in outputs(plan):
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    call(root, "--touch", "--cores", "1", *options)


def outputs(plan: str) -> list[list[str]]:
    """The files of every job of a plan."""
    lines = (line.strip() for line in plan.splitlines())
    return [line[8:].split(", ") for line in lines if line.startswith("output: ")]


def call(root: Path, *arguments: str) -> tuple[str, float, int]:
    """Run Snakemake: what it said, seconds, and megabytes at the peak."""
    log = root / "called.log"
    with open(log, "w") as out:
        start = time.perf_counter()
        command = [sys.executable, "-m", "snakemake", *arguments]
        process = subprocess.Popen(command, cwd=root, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    said = log.read_text()
    if status:
        sys.exit(said[-3000:])
    return said, round(seconds, 1), usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
